// The connections of gateways (RFC 3435 2.1.3) and their media: each has a near port, which the
// gateway is shown as its far end, and a far port, which the world is shown as the gateway. What
// the gateway's description says stands behind the near port, what the call agent tells of the far
// end behind the far one, in whatever order the two come and as often as they change.
//
// Where a call agent connects two gateways of ours with each other, each is told the other's far
// port; then their near ports are joined, and media goes the straight way: from agent to agent, or
// round inside one. Brain's thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "adapter/call_info.h"
#include "adapter/call_limits.h"
#include "adapter/mgcp/gateways.h"
#include "adapter/mgcp/stack.h"
#include "adapter/sdp_media.h"
#include "codec/text.h"

namespace sallyport::adapter::mgcp {

struct Connection {
  struct Port {
    MediaId id;
    unsigned components = 0;
    std::vector<TransportAddress> own;        // empty until open
    std::optional<media::RemoteSpec> remote;  // as that side said
    std::optional<media::RemoteSpec> told;    // as the port was told
    bool failed = false;
  };
  struct Stream {
    std::shared_ptr<Port> near, far;
  };

  CallId number;
  GatewayId gateway;
  std::string local;    // its endpoint's local name
  std::string call_id;  // C:
  std::string id;       // I:; empty until the gateway has told it
  MediaParty near, far;
  std::vector<Stream> streams;
  std::string near_text, far_text;  // the descriptions as gateway and call agent wrote them
  CallId joined;                    // whose near ports ours are joined to; itself: our far ports
  WallTime since{};
  std::string name;  // the endpoint as call agents know it, for people
};

class Connections {
 public:
  explicit Connections(Stack& stack);

  // For a command of that call agent about an endpoint. Null: a limit is reached.
  Connection* begin(const Gateway& gateway, std::string_view local, std::string_view call_id,
                    const Hop& call_agent, Commands& out);
  Connection* find(CallId number);
  Connection* find(GatewayId gateway, std::string_view local, std::string_view id);

  // Ports on both sides for each stream of the description, for one of audio without any.
  enum class Ready : std::uint8_t { Now, Later, Never };
  using OnReady = std::function<void(bool ok, Commands&)>;
  Ready open(Connection& connection, std::string_view description, OnReady on_ready, Commands& out);

  // A description of the far end, as the gateway is to see it; one of the gateway, as the call
  // agent is to see it. Their ports are open.
  std::string shown_to_gateway(const Connection& connection, std::string_view description) const;
  std::string shown_to_call_agent(const Connection& connection, std::string_view description) const;

  // The gateway has made it, under that endpoint and id. What it was before under that id is gone.
  void made(Connection& connection, std::string_view local, std::string_view id, Commands& out);
  // What both sides have said comes into effect: from where to where media goes.
  void settle(Connection& connection, Commands& out);

  void release(CallId number, Commands& out);
  // All of these endpoints, of a call, with an id; an empty text is any.
  void release(GatewayId gateway, std::string_view pattern, std::string_view call_id,
               std::string_view id, Commands& out);
  void on_edge_lost(Place place, Commands& out);

  std::vector<CallInfo> calls() const;
  void for_each(const std::function<void(const Connection&)>& visit) const {
    for (const auto& [number, each] : by_number_) visit(*each);
  }
  std::size_t size() const { return by_number_.size(); }

 private:
  using Key = std::tuple<GatewayId, std::string, std::string>;  // endpoint, id; in lower case
  static Key key_of(GatewayId gateway, std::string_view local, std::string_view id) {
    return {gateway, codec::lower(local), codec::lower(id)};
  }
  using FarPort = std::pair<Place, TransportAddress>;

  std::shared_ptr<Connection::Port> open_port(CallId number, const MediaParty& party,
                                              const codec::sdp::Media* media, bool is_far,
                                              Commands& out);
  void tell_ready(Commands& out);
  void tell_remote(Connection::Port& port, Commands& out);
  void close(std::shared_ptr<Connection::Port>& port, const Connection& connection, Commands& out);
  Connection* peer_of(const Connection& connection);
  void join(Connection& one, Connection& other, Commands& out);

  struct Waiting {
    CallId number;
    OnReady on_ready;
  };

  Stack& stack_;
  CallLimits limits_;
  std::unordered_map<CallId, std::unique_ptr<Connection>> by_number_;
  std::map<Key, CallId> by_id_;
  std::map<FarPort, CallId> by_far_port_;
  std::vector<Waiting> waiting_;
  std::uint64_t last_ = 0;
};

}  // namespace sallyport::adapter::mgcp
