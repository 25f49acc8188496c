// A REGISTER with any header lines, to the registrar and to the relay: each answers once, with a
// message that parses; what the relay sends on is a valid request of ours; limits hold.
#include <optional>
#include <string>
#include <vector>

#include "adapter/commands_fake.h"
#include "adapter/sip/registrar.h"
#include "adapter/sip/registration_relay.h"
#include "adapter/users_fake.h"
#include "brain/memory_registrations.h"
#include "require.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::HeaderName;
using codec::sip::Message;

struct World {
  explicit World(bool relayed) {
    config.default_domain = "example.org";
    config.authenticate = false;
    if (relayed) {
      config.relays.resize(1);
      config.relays[0].domain = "example.org";
    }
    domains.emplace(config);
    from.place = Place::inside(AgentId{7});
    from.remote = *TransportAddress::parse("10.1.1.2:5060");
  }
  void check_bindings() {
    const auto all = registrations.all(commands.wall);
    SALLYPORT_REQUIRE(all.size() <= 16);
    for (const brain::Binding& one : all) {
      SALLYPORT_REQUIRE(one.identity == "sip:alice@example.org");
      SALLYPORT_REQUIRE(!one.handle.empty() && !one.contact.empty());
    }
  }

  RegistrationConfig config;
  std::optional<Domains> domains;
  FakeUsers users;
  SeededRandom random{1};
  Counters counters;
  std::unique_ptr<Log> log = Log::silent();
  std::vector<IpRange> upstreams;
  Refusals refusals{upstreams, counters, *log};
  brain::MemoryRegistrations registrations;
  Authenticator authenticator{{}, {1}, users, random};
  Gruu gruu{{2}};
  FakeCommands commands;
  Hop from;
};

void try_registrar(const Message& request) {
  World world{false};
  Registrar registrar{world.config, *world.domains, world.registrations, world.authenticator,
                      world.gruu,   world.random,   world.counters,      world.refusals};
  int answers = 0;
  registrar.on_register(request, world.from, world.commands.steady, world.commands.wall,
                        [&](const std::string& response) {
                          ++answers;
                          SALLYPORT_REQUIRE(Message::parse(response));
                        });
  SALLYPORT_REQUIRE(answers == 1);
  world.check_bindings();
}

void try_relay(const Message& request) {
  World world{true};
  int answers = 0;
  const Config sip_config;
  const Topology topology{sip_config};
  RegistrationRelay relay{
      *world.domains,
      world.registrations,
      world.users,
      world.authenticator,
      topology,
      world.random,
      world.counters,
      world.refusals,
      *world.log,
      [&](const Target&, const Requester::Build& build,
          const Transactions::ResponseHandler& handler, Commands& out) {
        Hop hop;
        hop.local = *TransportAddress::parse("192.0.2.100:5060");
        const auto sent = Message::parse(build(hop, out));
        // Longer handles than contacts may take it beyond what a message can be.
        SALLYPORT_REQUIRE(sent || sent.error().code == Errc::Exhausted);
        if (!sent) return handler.on_failed(Errc::Unreachable, out);
        SALLYPORT_REQUIRE(!sent->has(HeaderName::Via) && !sent->has(HeaderName::Route));
        SALLYPORT_REQUIRE(sent->request_uri() == request.request_uri());
        std::string response = "SIP/2.0 200 OK\r\n";
        for (const std::string_view contact : sent->list(HeaderName::Contact))
          response += "Contact: " + std::string{contact} + "\r\n";
        const auto granted = Message::parse(response + "CSeq: 1 REGISTER\r\n\r\n");
        if (granted) return handler.on_response(*granted, out);
        handler.on_failed(Errc::NotFound, out);
      },
      [](const Hop& hop) { return hop.local; }};
  relay.on_register(
      request, world.from, world.config.relays[0],
      [&](const std::string& response, Commands&) {
        ++answers;
        const auto parsed = Message::parse(response);
        SALLYPORT_REQUIRE(parsed || parsed.error().code == Errc::Exhausted);
      },
      world.commands);
  SALLYPORT_REQUIRE(answers == 1);
  world.check_bindings();
}

}  // namespace
}  // namespace sallyport::adapter::sip

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const std::string text =
      "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.1.2;branch=z9hG4bK1\r\n"
      "From: <sip:alice@example.org>;tag=1\r\nTo: <sip:alice@example.org>\r\nCall-ID: c\r\n"
      "CSeq: 1 REGISTER\r\n" +
      std::string{as_text({data, size})};
  const auto request = codec::sip::Message::parse(text);
  if (!request || !request->validate()) return 0;
  adapter::sip::try_registrar(*request);
  adapter::sip::try_relay(*request);
  return 0;
}
