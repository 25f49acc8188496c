// An MGCP datagram by any octets: its messages lie in it one behind the other; without an edit each
// comes out as it went in; after an edit it parses again and is what the edit made of it.
#include <string>

#include "codec/mgcp/message.h"
#include "codec/mgcp/names.h"
#include "require.h"

namespace sallyport::codec::mgcp {
namespace {

void try_names(std::string_view text) {
  if (const auto name = Name::parse(text)) {
    SALLYPORT_REQUIRE(!name->domain.empty() && !name->host().empty());
    if (!name->local.empty()) {
      const std::string again = std::string{name->local} + "@" + std::string{name->domain};
      SALLYPORT_REQUIRE(Name::parse_endpoint(again).has_value());
      SALLYPORT_REQUIRE(matches("*", name->local));
      SALLYPORT_REQUIRE(matches(name->local, name->local));
    }
  }
  if (const auto ranges = parse_acknowledged(text))
    for (const auto& [first, last] : *ranges)
      SALLYPORT_REQUIRE(first <= last && last <= kMaxTransactionId);
}

void try_message(std::string_view text) {
  const auto message = Message::parse(text);
  if (!message) {
    (void)Message::transaction_of_command(text);
    return;
  }
  SALLYPORT_REQUIRE(Editor{*message}.finish() == text);
  SALLYPORT_REQUIRE(message->transaction() >= 1 && message->transaction() <= kMaxTransactionId);
  if (message->is_command()) try_names(message->endpoint());
  for (const Parameter& parameter : message->parameters()) try_names(parameter.value);

  Editor edit{*message};
  edit.set_transaction(4711);
  edit.set_endpoint("aaln/1@gw.example.net");
  const std::size_t count = message->parameters().size();
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 3 == 0) edit.set(i, "new\r\nvalue");
    if (i % 3 == 1) edit.remove(i);
  }
  edit.add("X-Added", "1");
  for (std::size_t i = 0; i < message->descriptions().size(); ++i)
    edit.set_description(i, "v=0\r\n");
  const std::string edited = edit.finish();
  const auto again = Message::parse(edited);
  SALLYPORT_REQUIRE(again.has_value() || count == kMaxParameters);
  if (!again) return;
  SALLYPORT_REQUIRE(again->transaction() == 4711);
  SALLYPORT_REQUIRE(again->code() == message->code());
  SALLYPORT_REQUIRE(again->verb() == message->verb());
  if (again->is_command()) SALLYPORT_REQUIRE(again->endpoint() == "aaln/1@gw.example.net");
  SALLYPORT_REQUIRE(again->parameters().size() == count - (count + 1) / 3 + 1);
  SALLYPORT_REQUIRE(again->parameters().back().name == "X-Added");
  for (std::size_t i = 0, kept = 0; i < count; ++i) {
    if (i % 3 == 1) continue;
    const Parameter& after = again->parameters()[kept++];
    SALLYPORT_REQUIRE(after.name == message->parameters()[i].name);
    SALLYPORT_REQUIRE(after.value == (i % 3 == 0 ? "new  value" : message->parameters()[i].value));
  }
  SALLYPORT_REQUIRE(again->descriptions().size() == message->descriptions().size());
  for (const std::string_view each : again->descriptions()) SALLYPORT_REQUIRE(each == "v=0\r\n");
}

void try_datagram(std::string_view datagram) {
  const auto messages = split_datagram(datagram);
  SALLYPORT_REQUIRE(messages.size() <= kMaxPiggyBacked);
  const char* at = datagram.data();
  for (const std::string_view each : messages) {
    SALLYPORT_REQUIRE(each.data() >= at);
    at = each.data() + each.size();
    try_message(each);
  }
  SALLYPORT_REQUIRE(at <= datagram.data() + datagram.size());
}

}  // namespace
}  // namespace sallyport::codec::mgcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65535) return 0;
  sallyport::codec::mgcp::try_datagram(sallyport::as_text({data, size}));
  return 0;
}
