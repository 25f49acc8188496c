// Any octets as a challenge and as credentials: nobody gets in, an answer is made only for what can
// be answered, and a relayed challenge never asks for auth-int.
#include <string>

#include "adapter/sip/authenticator.h"
#include "adapter/sip/digest.h"
#include "adapter/users_fake.h"
#include "codec/sip/headers.h"
#include "require.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::AuthValue;
using codec::sip::HeaderName;
using codec::sip::Message;

constexpr std::string_view kFields =
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:alice@example.org>;tag=1\r\n"
    "To: <sip:alice@example.org>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n";

void try_relayed(std::string_view challenge) {
  const auto changed = without_auth_int(challenge);
  if (!changed) return;
  SALLYPORT_REQUIRE(changed->size() < challenge.size());
  SALLYPORT_REQUIRE(AuthValue::parse(*changed));
  SALLYPORT_REQUIRE(!without_auth_int(*changed));
}

void try_answered(std::string_view challenge) {
  const auto response = Message::parse("SIP/2.0 401 x\r\n" + std::string{kFields} +
                                       "WWW-Authenticate: " + std::string{challenge} +
                                       "\r\nContent-Length: 0\r\n\r\n");
  if (!response) return;
  const auto answer =
      answer_challenge(*response, "REGISTER", "sip:example.org", "cn", 1,
                       [](std::string_view realm) { return make_user("alice", realm, "secret"); });
  if (!answer) return;
  const auto value = AuthValue::parse(*answer);
  SALLYPORT_REQUIRE(value && value->find("response") && value->find("username") == "alice");
  SALLYPORT_REQUIRE(value->find("qop").value_or("auth") == "auth");
}

void try_judged(std::string_view credentials) {
  const auto request = Message::parse(
      "REGISTER sip:example.org SIP/2.0\r\n" + std::string{kFields} +
      "Authorization: " + std::string{credentials} + "\r\nContent-Length: 0\r\n\r\n");
  if (!request) return;
  FakeUsers users;
  users.put(make_user("alice", "example.org", "secret"));
  SeededRandom random{1};
  Authenticator authenticator{{}, {1}, users, random};
  const WallTime wall{seconds{1'700'000'000}};
  const auto judgement =
      authenticator.judge(*request, HeaderName::Authorization, "example.org",
                          {"sip:alice@x", Place::outside(), {}}, wall, TimePoint{});
  SALLYPORT_REQUIRE(judgement.verdict != Authenticator::Verdict::Accepted);
  SALLYPORT_REQUIRE(authenticator.nonces() == 0);
}

}  // namespace
}  // namespace sallyport::adapter::sip

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = sallyport::as_text({data, size});
  sallyport::adapter::sip::try_relayed(text);
  sallyport::adapter::sip::try_answered(text);
  sallyport::adapter::sip::try_judged(text);
  return 0;
}
