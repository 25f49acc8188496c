// Any datagram to a gatekeeper, from a terminal that is registered and from a stranger outside:
// what it answers can be read, is no larger than it has to be, and what is registered stays within
// the limits.
#include <optional>

#include "adapter/commands_fake.h"
#include "adapter/h323/gatekeeper.h"
#include "adapter/h323/router.h"
#include "adapter/users_fake.h"
#include "brain/memory_registrations.h"
#include "codec/h323/messages.h"
#include "require.h"

namespace sallyport::adapter::h323 {
namespace {

constexpr std::size_t kMostAnswers = 4;   // RIP, and whoever else is told
constexpr std::size_t kMostLarger = 512;  // than what was asked

struct World {
  explicit World(bool authenticate) {
    config.authenticate = authenticate;
    config.accept_md5 = config.accept_cat = true;
    config.domain = "example.org";
    config.advertised = {*IpAddress::parse("198.51.100.1")};
    brain::User bob;
    bob.name = bob.login = "bob";
    bob.realm = config.domain;
    bob.password_sha1 = std::string(40, '0');
    bob.password = "secret";
    users.put(bob);
    Endpoint endpoint;
    endpoint.id = "682287660_endp";  // as the captures have it
    endpoint.place = terminal.place;
    endpoint.signalling = {terminal.remote.ip, kPortCall};
    endpoint.ras = terminal.remote;
    endpoint.aliases = {{Alias::Kind::H323Id, "alice"}};
    endpoint.time_to_live = seconds{300};
    endpoints.put(endpoint, commands.wall, [](const Result<void>&) {});
  }
  void hear(const Hop& from, Bytes datagram) {
    std::size_t answers = 0;
    const auto check = [&](Bytes answer) {
      ++answers;
      codec::per::Message read;
      SALLYPORT_REQUIRE(codec::h323::decode<codec::h225::RasMessage>(read, answer));
      SALLYPORT_REQUIRE(answer.size() <= datagram.size() + kMostLarger);
    };
    on_sent = check;
    gatekeeper.on_datagram(from, false, datagram, commands);
    SALLYPORT_REQUIRE(answers <= kMostAnswers);
    SALLYPORT_REQUIRE(endpoints.size() <= 3);
    on_sent = {};
  }

  Config config;
  std::unique_ptr<Log> log = Log::silent();
  SeededRandom random{1};
  RateGuard guard{config.limits, "h323", *log};
  Timers timers;
  Counters counters;
  Stack stack{config, guard, timers, counters, random, *log};
  FakeUsers users;
  brain::MemoryRegistrations registrations;
  brain::Routing routing{{}};
  Endpoints endpoints{config, registrations};
  H235 h235{config, users, random};
  std::function<void(Bytes)> on_sent;
  SendRas send = [this](const Hop& /*to*/, Bytes datagram, Commands& /*out*/) {
    if (on_sent) on_sent(datagram);
    return true;
  };
  RasRequests requests{stack, h235, send};
  Relays relays{stack, users, requests};
  Router router{stack, endpoints, registrations, routing, requests, relays};
  Gatekeeper gatekeeper{stack, endpoints, users, router, h235, requests, relays, send, {}};
  FakeCommands commands;
  Hop terminal{.place = Place::inside(AgentId{7}),
               .remote = *TransportAddress::parse("203.0.113.31:46321"),
               .local = *TransportAddress::parse("10.1.1.2:1719")};
  Hop stranger{.place = Place::outside(),
               .remote = *TransportAddress::parse("192.0.2.9:1719"),
               .local = *TransportAddress::parse("198.51.100.1:1719")};
};

}  // namespace
}  // namespace sallyport::adapter::h323

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  for (const bool authenticate : {false, true}) {
    adapter::h323::World world{authenticate};
    world.hear(world.terminal, {data, size});
    world.hear(world.terminal, {data, size});  // a repetition
    world.hear(world.stranger, {data, size});
  }
  return 0;
}
