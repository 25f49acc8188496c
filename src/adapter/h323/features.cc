#include "adapter/h323/features.h"

#include <algorithm>
#include <array>
#include <vector>

#include "adapter/h323/tree.h"
#include "codec/h323/h225.schema.h"

namespace sallyport::adapter::h323 {
namespace {

namespace per = codec::per;
namespace h225 = codec::h225;

constexpr std::array<std::int64_t, 5> kDeclined = {17, 18, 19, 23, 24};

bool is_declined(per::Node node) {
  const auto feature = node.as<h225::GenericData>();
  const auto number = feature[h225::GenericData::kId][h225::GenericIdentifier::kStandard];
  return number &&
         std::find(kDeclined.begin(), kDeclined.end(), number.integer()) != kDeclined.end();
}

std::vector<per::Node> declined_in(const per::Message& message) {
  std::vector<per::Node> found;
  for_each_below(message.root(), [&](per::Node node) {
    if (is_declined(node)) found.push_back(node);
    return true;
  });
  return found;
}

}  // namespace

bool needs_declined_feature(const per::Message& message) {
  const auto found = declined_in(message);
  return std::any_of(found.begin(), found.end(),
                     [](per::Node feature) { return feature.parent().name() == "neededFeatures"; });
}

void decline_features(per::Message& message) {
  for (const per::Node feature : declined_in(message)) {
    const per::Node list = feature.parent();
    message.remove(list.child_count() > 1 ? feature : list);
  }
}

}  // namespace sallyport::adapter::h323
