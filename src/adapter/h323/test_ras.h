// A gatekeeper with everything about it, and terminals that talk RAS to it; no sockets. What it
// sends is decoded and kept.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter/commands_fake.h"
#include "adapter/h323/alias_codec.h"
#include "adapter/h323/gatekeeper.h"
#include "adapter/h323/ras_messages.h"
#include "adapter/h323/router.h"
#include "adapter/users_fake.h"
#include "base/hex.h"
#include "brain/memory_registrations.h"
#include "codec/h323/addresses.h"
#include "codec/h323/messages.h"

namespace sallyport::adapter::h323::test {

namespace per = codec::per;
namespace h225 = codec::h225;
namespace h235 = codec::h235;
using h225::RasMessage;

const Place kSiteA = Place::inside(AgentId{1});
const Place kSiteB = Place::inside(AgentId{2});

inline TransportAddress at(std::string_view text) { return *TransportAddress::parse(text); }
inline Alias number(std::string digits) { return {Alias::Kind::DialedDigits, std::move(digits)}; }
inline Alias id(std::string text) { return {Alias::Kind::H323Id, std::move(text)}; }

// Calls as the gatekeeper sees them.
class FakeCalls final : public Calls {
 public:
  bool rings(const std::string& endpoint, const CallIdentifier& call) const override {
    return ringing == std::pair{endpoint, call};
  }
  void on_disengaged(const std::string& endpoint, const CallIdentifier& call,
                     Commands& /*out*/) override {
    disengaged.emplace_back(endpoint, call);
  }
  void on_endpoint_gone(const std::string& endpoint, Commands& /*out*/) override {
    gone.push_back(endpoint);
  }
  std::pair<std::string, CallIdentifier> ringing;
  std::vector<std::pair<std::string, CallIdentifier>> disengaged;
  std::vector<std::string> gone;
};

struct RasWorld {
  static Config open_config() {
    Config out;
    out.authenticate = false;
    out.domain = "example.org";
    out.advertised = {*IpAddress::parse("198.51.100.1")};
    return out;
  }

  explicit RasWorld(Config given = open_config(), brain::Routing::Config routes = {})
      : config(std::move(given)), routing(std::move(routes)) {
    gatekeeper.set_calls(calls);
  }

  void send(const Hop& from, Bytes datagram, bool multicast = false) {
    gatekeeper.on_datagram(from, multicast, datagram, out);
  }
  void advance(Duration by) {
    out.advance(by);
    while (const auto due = out.take_due()) timers.on_timer(*due, out);
  }
  brain::User add_user(const std::string& name, const std::string& password) {
    brain::User user;
    user.name = user.login = name;
    user.realm = config.domain;
    user.password_sha1 = to_hex(H235::key_of(password));
    user.password = password;
    users.put(user);
    return user;
  }

  struct Sent {
    Hop to;
    Buffer octets;
    std::shared_ptr<per::Message> message;
  };
  bool on_sent(const Hop& to, Bytes datagram) {
    if (deaf) return false;
    auto message = std::make_shared<per::Message>();
    EXPECT_TRUE(codec::h323::decode<RasMessage>(*message, datagram)) << "it cannot be read";
    sent.push_back({to, to_buffer(datagram), std::move(message)});
    return true;
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
  brain::Routing routing;
  Endpoints endpoints{config, registrations};
  H235 h235{config, users, random};
  SendRas send_ras = [this](const Hop& to, Bytes datagram, Commands& /*out*/) {
    return on_sent(to, datagram);
  };
  RasRequests requests{stack, h235, send_ras};
  Relays relays{stack, users, requests};
  Router router{stack, endpoints, registrations, routing, requests, relays};
  FakeCalls calls;
  std::vector<Sent> sent;
  bool deaf = false;  // nothing can be sent
  Gatekeeper gatekeeper{stack, endpoints, users, router, h235, requests, relays, send_ras, {}};
  FakeCommands out;
};

// A terminal, or whatever else speaks RAS.
class RasTerminal {
 public:
  RasTerminal(RasWorld& world, Place place, std::string_view ras, std::string_view ours)
      : world_(world) {
    hop.place = place;
    hop.remote = at(ras);
    hop.local = at(ours);
    signalling = {hop.remote.ip, kPortCall};
  }

  // Makes a request, sends it, and gives what it is answered; null if it is not.
  template <class T, std::uint16_t Index, typename Fill>
  std::shared_ptr<per::Message> ask(per::Field<RasMessage, T, Index> kind, Fill fill) {
    auto body = begin_ras(message, kind, ++sequence);
    fill(body);
    octets.clear();
    if (sealing) {
      H235 h235{world_.config, world_.users, world_.random};
      EXPECT_TRUE(h235.seal(message, message.root().chosen(), *sealing, clock(), octets));
    } else {
      EXPECT_TRUE(message.encode(octets)) << "not a message";
    }
    return repeat();
  }
  std::shared_ptr<per::Message> repeat(bool multicast = false) {
    const std::size_t before = world_.sent.size();
    world_.send(hop, octets, multicast);
    return world_.sent.size() == before ? nullptr : world_.sent.back().message;
  }

  std::shared_ptr<per::Message> discover(std::string_view gatekeeper = {}) {
    using Asks = h225::GatekeeperRequest;
    return ask(RasMessage::kGatekeeperRequest, [&](per::Edit<Asks> request) {
      codec::h323::set_address(request[Asks::kRasAddress], hop.remote);
      fill_type(request[Asks::kEndpointType]);
      if (!gatekeeper.empty()) request[Asks::kGatekeeperIdentifier].set_text(gatekeeper);
    });
  }
  template <typename More>
  std::shared_ptr<per::Message> register_as(const std::vector<Alias>& aliases, More more) {
    using Asks = h225::RegistrationRequest;
    const auto answer = ask(RasMessage::kRegistrationRequest, [&](per::Edit<Asks> request) {
      request[Asks::kDiscoveryComplete].set(1);
      codec::h323::set_address(request[Asks::kCallSignalAddress].append(), signalling);
      codec::h323::set_address(request[Asks::kRasAddress].append(), hop.remote);
      fill_type(request[Asks::kTerminalType]);
      if (!aliases.empty()) write_aliases(request[Asks::kTerminalAlias], aliases);
      fill_vendor(request[Asks::kEndpointVendor]);
      request[Asks::kKeepAlive].set(0);
      more(request);
    });
    if (!answer) return answer;
    const auto confirm = answer->template root<RasMessage>()[RasMessage::kRegistrationConfirm];
    if (confirm) endpoint = confirm[h225::RegistrationConfirm::kEndpointIdentifier].text();
    return answer;
  }
  std::shared_ptr<per::Message> register_as(const std::vector<Alias>& aliases) {
    return register_as(aliases, [](per::Edit<h225::RegistrationRequest>) {});
  }
  std::shared_ptr<per::Message> keep_alive() {
    using Asks = h225::RegistrationRequest;
    return register_as({}, [&](per::Edit<Asks> request) {
      request[Asks::kKeepAlive].set(1);
      request[Asks::kEndpointIdentifier].set_text(endpoint);
    });
  }
  template <typename More>
  std::shared_ptr<per::Message> call(const std::vector<Alias>& called, More more) {
    using Asks = h225::AdmissionRequest;
    return ask(RasMessage::kAdmissionRequest, [&](per::Edit<Asks> request) {
      (void)request[Asks::kCallType][h225::CallType::kPointToPoint];
      request[Asks::kEndpointIdentifier].set_text(endpoint);
      if (!called.empty()) write_aliases(request[Asks::kDestinationInfo], called);
      (void)request[Asks::kSrcInfo];
      request[Asks::kBandWidth].set(10000);
      request[Asks::kCallReferenceValue].set(77);
      request[Asks::kConferenceID].set_octets(call_id);
      request[Asks::kActiveMC].set(0);
      request[Asks::kAnswerCall].set(0);
      request[Asks::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(call_id);
      more(request);
    });
  }
  std::shared_ptr<per::Message> call(const std::vector<Alias>& called) {
    return call(called, [](per::Edit<h225::AdmissionRequest>) {});
  }

  static void fill_vendor(per::Edit<h225::VendorIdentifier> vendor) {
    auto maker = vendor[h225::VendorIdentifier::kVendor];
    maker[h225::H221NonStandard::kT35CountryCode].set(9);
    maker[h225::H221NonStandard::kT35Extension].set(0);
    maker[h225::H221NonStandard::kManufacturerCode].set(61);
    vendor[h225::VendorIdentifier::kProductId].set_octets(as_bytes("Room"));
    vendor[h225::VendorIdentifier::kVersionId].set_octets(as_bytes("1.0"));
  }
  static void fill_type(per::Edit<h225::EndpointType> type) {
    (void)type[h225::EndpointType::kTerminal];
    type[h225::EndpointType::kMc].set(0);
    type[h225::EndpointType::kUndefinedNode].set(0);
  }
  WallTime clock() const { return world_.out.wall + skew; }

  Hop hop;
  TransportAddress signalling;
  std::uint16_t sequence = 0;
  std::string endpoint;
  CallIdentifier call_id{1, 2, 3};
  std::optional<Sealing> sealing;
  WallTime::duration skew{};  // of its clock
  per::Message message;       // the latest request
  Buffer octets;

 private:
  RasWorld& world_;
};

// The name of what was answered, and of the reason of a reject: "registrationReject
// duplicateAlias".
inline std::string what(const std::shared_ptr<per::Message>& answer) {
  if (!answer) return "nothing";
  const per::Node body = answer->root().chosen();
  const per::Node reason = child_named(body, "rejectReason").chosen();
  return std::string{body.name()} + (reason ? " " + std::string{reason.name()} : "");
}

}  // namespace sallyport::adapter::h323::test
