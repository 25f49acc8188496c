#include "codec/h323/generic_contents.h"

#include <algorithm>
#include <array>

#include "codec/h323/h225.schema.h"
#include "codec/h323/h245.schema.h"
#include "codec/h323/h460.schema.h"

namespace sallyport::codec::h323 {
namespace {

// By the standard numbers of a feature and of its parameter.
struct InRas {
  std::int64_t feature;
  std::int64_t parameter;
  const per::Type* contents;
};
constexpr std::array kInRas{
    InRas{9, 1, h460::QosMonitoringReportData::kSchema},
    InRas{15, 1, h460::SignallingChannelData::kSchema},
    InRas{17, 1, h225::RasMessage::kSchema},  // H.460.17: RAS over the call signalling channel
    InRas{18, 1, h460::IncomingCallIndication::kSchema},
    InRas{18, 2, h460::LRQKeepAliveData::kSchema},
};

// By the object identifier of a message and the standard number of its parameter. The octets are
// those of an OBJECT IDENTIFIER: 0.0.8.460 is 00 08 83 4c.
struct InControl {
  std::string_view message;
  std::int64_t parameter;
  const per::Type* contents;
};
using namespace std::string_view_literals;
constexpr std::array kInControl{
    InControl{"\x00\x08\x83\x4c\x13\x00\x01"sv, 1, h460::TraversalParameters::kSchema},
    InControl{"\x00\x08\x83\x4c\x18\x02"sv, 1, h460::AlternateAddresses::kSchema},
};

void open_in_ras(per::Message& message, per::View<h225::GenericData> data,
                 const per::Limits& limits) {
  const per::Node feature = data[h225::GenericData::kId][h225::GenericIdentifier::kStandard];
  if (!feature) return;
  for (const auto& parameter : data[h225::GenericData::kParameters]) {
    const per::Node id =
        parameter[h225::EnumeratedParameter::kId][h225::GenericIdentifier::kStandard];
    const per::Node raw = parameter[h225::EnumeratedParameter::kContent][h225::Content::kRaw];
    if (!id || !raw) continue;
    for (const InRas& known : kInRas)
      if (known.feature == feature.integer() && known.parameter == id.integer())
        message.open(raw, *known.contents, limits);
  }
}

void open_in_control(per::Message& message, per::View<h245::GenericMessage> data,
                     const per::Limits& limits) {
  const std::string_view name =
      as_text(data[h245::GenericMessage::kMessageIdentifier][h245::CapabilityIdentifier::kStandard]
                  .octets());
  if (name.empty()) return;
  for (const auto& parameter : data[h245::GenericMessage::kMessageContent]) {
    const per::Node id = parameter[h245::GenericParameter::kParameterIdentifier]
                                  [h245::ParameterIdentifier::kStandard];
    const per::Node octets =
        parameter[h245::GenericParameter::kParameterValue][h245::ParameterValue::kOctetString];
    if (!id || !octets) continue;
    for (const InControl& known : kInControl)
      if (known.message == name && known.parameter == id.integer())
        message.open(octets, *known.contents, limits);
  }
}

}  // namespace

// What is opened on the way is walked, too: a RAS message in generic data may hold generic data.
void open_generic_contents(per::Message& message, const per::Limits& limits) {
  for (const per::Node node : message.walk()) {
    if (const auto ras = node.as<h225::GenericData>()) open_in_ras(message, ras, limits);
    if (const auto control = node.as<h245::GenericMessage>())
      open_in_control(message, control, limits);
  }
}

}  // namespace sallyport::codec::h323
