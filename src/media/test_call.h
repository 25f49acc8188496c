// For tests only: one call through an agent, a NAT and a server, in a World.
#pragma once

#include <memory>
#include <vector>

#include "media/test_world.h"
#include "media/token.h"

namespace sallyport::media::test {

// Figure 1 for one call: Alice and her agent behind a NAT, a server, Bob in the public network.
struct Call {
  explicit Call(World& w, unsigned components = 2, FastPath* at_agent = nullptr,
                FastPath* at_server = nullptr)
      : world(w), agent(w, {.fast_path = at_agent}), server(w, {.fast_path = at_server}) {
    nat = &world.add_nat(*IpRange::parse("10.1.1.0/24"), *IpAddress::parse("203.0.113.7"));
    x = server.serve(at("198.51.100.1:2776"));
    y = server.serve(at("198.51.100.1:2777"));
    FlowSpec flow;
    for (unsigned i = 0; i < components; ++i)
      flow.components.push_back(new_flow_component(world.random));
    secrets = flow.components;
    EXPECT_TRUE(server.relay.add_flow(MediaId{1}, flow, {}));
    flow.end = FlowEnd::Probing;
    std::vector<SocketId> ports{agent.open(agent_rtp)};
    std::vector<SocketId> flows{agent.open(at("10.1.1.2:40000"))};
    std::vector<SocketId> outside{server.open(server_rtp)};
    flow.server = {at("198.51.100.1:2776")};
    if (components == 2) {
      ports.push_back(agent.open(agent_rtcp));
      flows.push_back(agent.open(at("10.1.1.2:40001")));
      outside.push_back(server.open(server_rtcp));
      flow.server.push_back(at("198.51.100.1:2777"));
    }
    EXPECT_TRUE(agent.relay.add_flow(MediaId{1}, flow, flows));
    EXPECT_TRUE(agent.relay.add_port(MediaId{2}, ports, 46));
    EXPECT_TRUE(server.relay.add_port(MediaId{2}, outside, 46));
    agent.relay.set_remote(MediaId{2}, {{alice.address, alice_rtcp.address}}, world.now);
    server.relay.set_remote(MediaId{2}, {{bob.address, bob_rtcp.address}}, world.now);
    agent.relay.join(MediaId{1}, MediaId{2});
    server.relay.join(MediaId{2}, MediaId{1});
  }
  ~Call() {
    agent.expect_balance();
    server.expect_balance();
  }

  World& world;
  Nat* nat = nullptr;
  Host agent;
  Host server;
  SocketId x, y;
  std::vector<FlowComponent> secrets;
  TransportAddress agent_rtp = at("10.1.1.2:5000"), agent_rtcp = at("10.1.1.2:5001");
  TransportAddress server_rtp = at("198.51.100.1:30000"), server_rtcp = at("198.51.100.1:30001");
  Terminal alice{world, at("10.1.1.50:4000")}, alice_rtcp{world, at("10.1.1.50:4001")};
  Terminal bob{world, at("192.0.2.9:7000")}, bob_rtcp{world, at("192.0.2.9:7001")};
};

}  // namespace sallyport::media::test
