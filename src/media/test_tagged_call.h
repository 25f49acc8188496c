// For tests only: calls over one trunk between an agent behind a NAT and a server, in a World. What
// is heard is compared packet by packet with what was said.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "media/test_world.h"
#include "media/token.h"

namespace sallyport::media::test {

struct TaggedOptions {
  bool sealed = true;
  bool compress = false;
  Duration bundle{};
  bool v6 = false;
  FastPath* fast_path = nullptr;  // of the agent
};

// What agent and server export from that connection of the agent's. ChaCha20 for every other agent.
inline KeysOfConnection keys_of(unsigned agent, std::uint64_t connection, Direction sends) {
  KeysOfConnection out{
      .connection = connection,
      .algorithm = agent % 2 == 0 ? SealAlgorithm::ChaCha20Poly1305 : SealAlgorithm::Aes128Gcm,
      .sends = sends};
  out.secret.fill(static_cast<std::uint8_t>(connection * 17 + agent));
  return out;
}

// An agent with terminals, behind a NAT, and its trunk to a server that several of them share.
struct TaggedAgent {
  TaggedAgent(World& w, Host& its_server, unsigned which, const TaggedOptions& o)
      : world(w), server(its_server), number(which), options(o) {
    const std::string n = std::to_string(number);
    if (options.v6) {
      private_net = "fd00:" + n + "::";
      nat = &world.add_nat(*IpRange::parse(private_net + "/64"),
                           *IpAddress::parse("2001:db8:" + n + "::7"));
    } else {
      private_net = "10.1." + n + ".";
      nat = &world.add_nat(*IpRange::parse(private_net + "0/24"),
                           *IpAddress::parse("203.0.113." + n));
    }
    secret = new_flow_component(world.random);
    install(1);
    TrunkSpec spec{.secret = secret,
                   .sealed = options.sealed,
                   .ring = KeyRingId{number},
                   .compress = options.compress,
                   .bundle = options.bundle,
                   .owner = kOwner};
    EXPECT_TRUE(server.relay.add_trunk(trunk_id(), spec, {}));
    spec.end = FlowEnd::Probing;
    spec.server = x();
    spec.ring = KeyRingId{1};
    const std::array<SocketId, 1> socket{host.open(inside(40000))};
    EXPECT_TRUE(host.relay.add_trunk(MediaId{1}, spec, socket));
    host.relay.probe(MediaId{1}, world.now);
  }
  ~TaggedAgent() { host.expect_balance(); }

  TransportAddress x() const { return at(options.v6 ? "[2001:db8::1]:2776" : "198.51.100.1:2776"); }
  TransportAddress inside(std::uint16_t port, unsigned host_part = 2) const {
    return {*IpAddress::parse(private_net + std::to_string(host_part)), port};
  }
  static constexpr std::uint8_t kOwner = 5;

  MediaId trunk_id() const { return MediaId{1000 + number}; }
  Channel channel(std::uint64_t which) const {
    return static_cast<Channel>(records_of(kOwner) + which);
  }
  void install(std::uint64_t connection) {
    install_at_server(connection);
    install_at_agent(connection);
  }
  void install_at_server(std::uint64_t connection) {
    server.relay.install_keys(KeyRingId{number},
                              keys_of(number, connection, Direction::ServerToAgent), world.now);
  }
  void install_at_agent(std::uint64_t connection) {
    host.relay.install_keys(KeyRingId{1}, keys_of(number, connection, Direction::AgentToServer),
                            world.now);
  }

  World& world;
  Host& server;
  unsigned number;
  TaggedOptions options;
  std::string private_net;
  Nat* nat = nullptr;
  Host host{world, {.fast_path = options.fast_path}};
  FlowComponent secret;
  std::uint64_t next_id = 10;
};

// A terminal behind an agent, its port and its flow, RTP and RTCP.
struct TaggedLeg {
  TaggedLeg(TaggedAgent& a, std::uint64_t server_id, bool tagged = true)
      : agent(a),
        port(MediaId{agent.next_id++}),
        awaiting(MediaId{server_id}),
        base(static_cast<std::uint16_t>(5000 + server_id * 10)),
        rtp_terminal(agent.world, agent.inside(base, 50)),
        rtcp_terminal(agent.world, agent.inside(static_cast<std::uint16_t>(base + 1), 50)) {
    rtp_port = agent.inside(base);
    rtcp_port = agent.inside(static_cast<std::uint16_t>(base + 1));
    const std::array<SocketId, 2> sockets{agent.host.open(rtp_port), agent.host.open(rtcp_port)};
    EXPECT_TRUE(agent.host.relay.add_port(port, sockets, 46));
    agent.host.relay.set_remote(port, {{rtp_terminal.address, rtcp_terminal.address}},
                                agent.world.now);
    flow = open_flow(awaiting, tagged);
    agent.host.relay.join(flow, port);
  }
  // Both ends of a flow; the agent's is joined to nothing yet.
  MediaId open_flow(MediaId at_server, bool tagged) {
    const MediaId at_agent{agent.next_id++};
    FlowSpec spec;
    std::vector<SocketId> sockets;
    if (tagged) {
      spec.trunk = agent.trunk_id();
      spec.channels = {agent.channel(at_server.value * 2), agent.channel(at_server.value * 2 + 1)};
    } else {
      spec.components = {new_flow_component(agent.world.random),
                         new_flow_component(agent.world.random)};
    }
    EXPECT_TRUE(agent.server.relay.add_flow(at_server, spec, {}));
    spec.end = FlowEnd::Probing;
    spec.trunk = tagged ? MediaId{1} : MediaId{};
    if (!tagged) {
      spec.server = {agent.x(), agent.x()};
      for (const unsigned n : {0U, 1U})
        sockets.push_back(agent.host.open(
            agent.inside(static_cast<std::uint16_t>(41000 + at_agent.value * 2 + n))));
    }
    EXPECT_TRUE(agent.host.relay.add_flow(at_agent, spec, sockets));
    return at_agent;
  }

  TaggedAgent& agent;
  MediaId port, awaiting, flow;
  std::uint16_t base;
  TransportAddress rtp_port, rtcp_port;
  Terminal rtp_terminal, rtcp_terminal;
};

// What `heard` has of the packets first, first + 1, ... and whether it has anything else.
inline std::set<std::uint32_t> numbers(const std::vector<Buffer>& heard,
                                       Buffer (*packet)(std::uint32_t), std::uint32_t first,
                                       std::uint32_t count) {
  std::map<Buffer, std::uint32_t> known;
  for (std::uint32_t n = first; n < first + count; ++n) known.emplace(packet(n), n);
  std::set<std::uint32_t> out;
  for (const Buffer& one : heard) {
    const auto it = known.find(one);
    EXPECT_NE(it, known.end()) << "heard what nobody said, " << one.size() << " octets";
    if (it != known.end()) out.insert(it->second);
  }
  return out;
}

}  // namespace sallyport::media::test
