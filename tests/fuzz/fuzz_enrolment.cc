// Join tokens and join messages: nothing crashes, and what can be read is written back as something
// that reads the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "enrolment/join_message.h"
#include "enrolment/token.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::enrolment;  // the whole file is about it
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto token = parse_token(text))
    SALLYPORT_REQUIRE(parse_token(encode(*token)).value() == *token);
  if (const auto request = parse_join_request(text)) {
    std::string line = encode(*request);
    line.pop_back();
    SALLYPORT_REQUIRE(line.size() > kMaxLine || parse_join_request(line).value() == *request);
  }
  if (const auto reply = parse_join_reply(text)) {
    std::string line = encode(*reply);
    line.pop_back();
    SALLYPORT_REQUIRE(line.size() > kMaxLine || parse_join_reply(line).value() == *reply);
  }
  return 0;
}
