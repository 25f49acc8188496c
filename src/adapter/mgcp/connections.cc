#include "adapter/mgcp/connections.h"

#include <algorithm>
#include <utility>

#include "codec/text.h"

namespace sallyport::adapter::mgcp {
namespace {

using codec::sdp::Description;
using Port = Connection::Port;

constexpr std::size_t kMaxStreams = 4;  // of one connection

// The text must outlive it.
std::optional<Description> parse(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto description = Description::parse(text);
  if (!description) return std::nullopt;
  return *description;
}

// Both sides' descriptions, as far as there are any, say how much may come.
media::Rate most_of(const std::optional<Description>& near, const std::optional<Description>& far,
                    std::size_t index) {
  const auto has = [&](const auto& one) { return one && index < one->media().size(); };
  if (has(near)) return adapter::most_of(*near, has(far) ? *far : *near, index);
  return has(far) ? adapter::most_of(*far, *far, index) : media::Rate{};
}

}  // namespace

Connections::Connections(Stack& stack) : stack_(stack), limits_(stack.config.limits) {}

Connection* Connections::begin(const Gateway& gateway, std::string_view local,
                               std::string_view call_id, const Hop& call_agent, Commands& out) {
  const CallId number{last_ + 1};
  CallLimits::Verdict verdict = limits_.begin(number, call_agent);
  if (verdict == CallLimits::Verdict::Admitted) {
    verdict = limits_.ring(number, gateway.place, std::string{local});
    if (verdict != CallLimits::Verdict::Admitted) limits_.leave(number);
  }
  if (verdict != CallLimits::Verdict::Admitted) {
    stack_.counters.add(name(verdict));
    return nullptr;
  }
  ++last_;
  auto made = std::make_unique<Connection>();
  made->number = number;
  made->gateway = gateway.id;
  made->local = local;
  made->call_id = call_id;
  made->near = {.place = gateway.place,
                .signalling = gateway.address.ip,
                .shown = gateway.local,
                .marks = stack_.config.marks(gateway.place.is_outside())};
  made->far = {.place = call_agent.place,
               .signalling = call_agent.remote.ip,
               .shown = call_agent.local.ip,
               .marks = stack_.config.marks(call_agent.place.is_outside())};
  made->since = out.wall_now();
  made->name = std::string{local} + "@" + gateway.shown;
  return (by_number_[number] = std::move(made)).get();
}

Connection* Connections::find(CallId number) {
  const auto it = by_number_.find(number);
  return it == by_number_.end() ? nullptr : it->second.get();
}

Connection* Connections::find(GatewayId gateway, std::string_view local, std::string_view id) {
  const auto it = by_id_.find(key_of(gateway, local, id));
  return it == by_id_.end() ? nullptr : find(it->second);
}

// ---- Ports ----

Connections::Ready Connections::open(Connection& connection, std::string_view text,
                                     OnReady on_ready, Commands& out) {
  const CallId number = connection.number;
  const auto description = parse(text);
  const std::size_t count =
      description ? std::min(description->media().size(), kMaxStreams) : std::size_t{1};
  for (std::size_t i = 0; i < count; ++i) {
    const codec::sdp::Media* media = description ? &description->media()[i] : nullptr;
    if (connection.streams.size() <= i) connection.streams.emplace_back();
    if (media != nullptr && !is_active(*media)) continue;
    if (!connection.streams[i].near || connection.streams[i].near->failed)
      connection.streams[i].near = open_port(number, connection.near, media, false, out);
    if (!connection.streams[i].far || connection.streams[i].far->failed)
      connection.streams[i].far = open_port(number, connection.far, media, true, out);
  }
  bool all_open = true;
  for (const Connection::Stream& stream : connection.streams) {
    for (const auto& port : {stream.near, stream.far}) {
      if (port && port->failed) return Ready::Never;
      all_open = all_open && (!port || !port->own.empty());
    }
  }
  if (all_open) return Ready::Now;
  waiting_.push_back({number, std::move(on_ready)});
  return Ready::Later;
}

std::shared_ptr<Port> Connections::open_port(CallId number, const MediaParty& party,
                                             const codec::sdp::Media* media, bool is_far,
                                             Commands& out) {
  auto port = std::make_shared<Port>();
  port->components = media == nullptr ? 2 : components_of(*media);
  media::PortSpec spec;
  spec.components = port->components;
  spec.toward = party.signalling;
  spec.dscp = media == nullptr ? party.marks.audio : mark_of(*media, party.marks);
  MediaPaths::Handler handler;
  handler.on_open = [this, number, port, is_far, place = party.place](
                        const std::vector<TransportAddress>& own, Commands& at) {
    port->own = own;
    if (is_far && find(number) != nullptr) by_far_port_[{place, own.front()}] = number;
    tell_ready(at);
  };
  handler.on_failed = [this, port](Errc, const std::string&, Commands& at) {
    port->failed = true;
    port->id = {};
    tell_ready(at);
  };
  const MediaId id = out.media().open_port(party.place, spec, std::move(handler));
  if (!port->failed) port->id = id;
  return port;
}

void Connections::tell_ready(Commands& out) {
  std::vector<std::pair<OnReady, bool>> told;
  std::erase_if(waiting_, [&](Waiting& each) {
    const Connection* connection = find(each.number);
    bool failed = connection == nullptr;
    bool open = true;
    if (connection != nullptr)
      for (const Connection::Stream& stream : connection->streams)
        for (const auto& port : {stream.near, stream.far}) {
          failed = failed || (port && port->failed);
          open = open && (!port || !port->own.empty());
        }
    if (!failed && !open) return false;
    told.emplace_back(std::move(each.on_ready), !failed);
    return true;
  });
  for (const auto& [on_ready, ok] : told) on_ready(ok, out);
}

void Connections::close(std::shared_ptr<Port>& port, const Connection& connection, Commands& out) {
  if (!port) return;
  if (!port->own.empty()) {
    const auto it = by_far_port_.find({connection.far.place, port->own.front()});
    if (it != by_far_port_.end() && it->second == connection.number) by_far_port_.erase(it);
  }
  if (port->id) out.media().close(std::exchange(port->id, {}));
  port.reset();
}

// ---- What each side sees ----

namespace {

std::string shown(std::string_view text, const IpAddress& address,
                  const std::vector<Connection::Stream>& streams,
                  std::shared_ptr<Port> Connection::Stream::*side) {
  const auto description = Description::parse(text);
  if (!description) return {};
  const auto port = [&](std::size_t i) -> const std::vector<TransportAddress>* {
    if (i >= streams.size() || !(streams[i].*side) || !is_active(description->media()[i]))
      return nullptr;
    return &(streams[i].*side)->own;
  };
  // As that side sees us: a port knows it best.
  IpAddress session = address;
  for (std::size_t i = description->media().size(); i > 0; --i)
    if (const auto* own = port(i - 1); own != nullptr && !own->empty()) session = own->front().ip;
  return with_ports(*description, session, port);
}

}  // namespace

std::string Connections::shown_to_gateway(const Connection& connection,
                                          std::string_view text) const {
  return shown(text, connection.near.shown, connection.streams, &Connection::Stream::near);
}

std::string Connections::shown_to_call_agent(const Connection& connection,
                                             std::string_view text) const {
  return shown(text, connection.far.shown, connection.streams, &Connection::Stream::far);
}

// ---- The course of a connection ----

void Connections::made(Connection& connection, std::string_view local, std::string_view id,
                       Commands& out) {
  const Key key = key_of(connection.gateway, local, id);
  if (const auto it = by_id_.find(key); it != by_id_.end() && it->second != connection.number)
    release(it->second, out);
  if (!connection.id.empty())
    by_id_.erase(key_of(connection.gateway, connection.local, connection.id));
  connection.local = local;
  connection.id = id;
  by_id_[key] = connection.number;
  limits_.answer(connection.number);
}

void Connections::settle(Connection& connection, Commands& out) {
  const auto near = parse(connection.near_text);
  const auto far = parse(connection.far_text);
  for (std::size_t i = 0; i < connection.streams.size(); ++i) {
    Connection::Stream& stream = connection.streams[i];
    const media::Rate most = most_of(near, far, i);
    const auto learn = [&](const std::shared_ptr<Port>& port,
                           const std::optional<Description>& description, const MediaParty& party) {
      if (!port || !description || i >= description->media().size()) return;
      const codec::sdp::Media& media = description->media()[i];
      port->remote = remote_of(media, party, port->components);
      port->remote->rtp = media.is_rtp();
      port->remote->most = most;
    };
    learn(stream.near, near, connection.near);
    learn(stream.far, far, connection.far);
  }
  Connection* peer = peer_of(connection);
  for (Connection::Stream& stream : connection.streams) {
    if (stream.near) tell_remote(*stream.near, out);
    // Between two of ours nothing goes by the far ports.
    if (stream.far && peer == nullptr) tell_remote(*stream.far, out);
  }
  Connection* before = find(connection.joined);
  const bool lost_peer = before != nullptr && before != &connection && before != peer;
  if (peer != nullptr) {
    join(connection, *peer, out);
  } else if (far) {
    join(connection, connection, out);
  }
  // Whoever was joined to this one goes its own way again.
  if (lost_peer && before->joined == connection.number) {
    before->joined = {};
    settle(*before, out);
  }
}

// Told only when it says something else: a source that was learnt stays learnt.
void Connections::tell_remote(Port& port, Commands& out) {
  if (!port.id || !port.remote) return;
  if (port.told && port.told->addresses == port.remote->addresses &&
      port.told->accept == port.remote->accept && port.told->rtp == port.remote->rtp &&
      port.told->most == port.remote->most)
    return;
  port.told = port.remote;
  out.media().set_remote(port.id, *port.remote);
}

// The connection whose far port this one was told as its far end, unless that one was told another.
Connection* Connections::peer_of(const Connection& connection) {
  const auto far_of = [this](const Connection& of) -> Connection* {
    if (of.streams.empty() || !of.streams.front().far || !of.streams.front().far->remote)
      return nullptr;
    const TransportAddress& told = of.streams.front().far->remote->addresses.front();
    const auto it = by_far_port_.find({of.far.place, told});
    return it == by_far_port_.end() ? nullptr : find(it->second);
  };
  Connection* peer = far_of(connection);
  if (peer == nullptr || peer == &connection) return nullptr;
  const bool is_told = !peer->far_text.empty();
  return !is_told || far_of(*peer) == &connection ? peer : nullptr;
}

void Connections::join(Connection& one, Connection& other, Commands& out) {
  const bool straight = &one != &other;
  if (one.joined == other.number && (!straight || other.joined == one.number)) return;
  one.joined = other.number;
  if (straight) other.joined = one.number;
  for (std::size_t i = 0; i < std::min(one.streams.size(), other.streams.size()); ++i) {
    const auto& near = one.streams[i].near;
    const auto& far = straight ? other.streams[i].near : one.streams[i].far;
    if (!near || !far || !near->id || !far->id) continue;
    out.media().connect(near->id, far->id);
    out.media().start(near->id);
    if (straight) out.media().start(far->id);
  }
}

void Connections::release(CallId number, Commands& out) {
  const auto node = by_number_.extract(number);
  if (node.empty()) return;
  Connection& connection = *node.mapped();
  if (!connection.id.empty()) {
    const auto it = by_id_.find(key_of(connection.gateway, connection.local, connection.id));
    if (it != by_id_.end() && it->second == number) by_id_.erase(it);
  }
  for (Connection::Stream& stream : connection.streams) {
    close(stream.near, connection, out);
    close(stream.far, connection, out);
  }
  if (Connection* peer = find(connection.joined); peer != nullptr && peer->joined == number)
    peer->joined = {};
  limits_.leave(number);
  tell_ready(out);  // nobody waits for it any more
}

void Connections::release(GatewayId gateway, std::string_view pattern, std::string_view call_id,
                          std::string_view id, Commands& out) {
  std::vector<CallId> gone;
  for (auto it = by_id_.lower_bound({gateway, {}, {}});
       it != by_id_.end() && std::get<0>(it->first) == gateway; ++it) {
    const Connection& each = *by_number_.at(it->second);
    if (codec::mgcp::matches(pattern, each.local) &&
        (call_id.empty() || codec::equals_without_case(call_id, each.call_id)) &&
        (id.empty() || codec::equals_without_case(id, each.id)))
      gone.push_back(each.number);
  }
  for (const CallId number : gone) release(number, out);
}

void Connections::on_edge_lost(Place place, Commands& out) {
  std::vector<CallId> gone;
  for (const auto& [number, each] : by_number_)
    if (each->near.place == place || each->far.place == place) gone.push_back(number);
  for (const CallId number : gone) release(number, out);
}

// ---- For people ----

std::vector<CallInfo> Connections::calls() const {
  std::vector<CallInfo> out;
  const auto ends = [](const Connection& connection, bool far) {
    std::vector<MediaEnds> made;
    for (const Connection::Stream& stream : connection.streams) {
      const auto& port = far ? stream.far : stream.near;
      if (!port || port->own.empty()) continue;
      const bool told = port->remote && !port->remote->addresses.empty();
      made.push_back(
          {port->id, port->own, told ? port->remote->addresses.front() : TransportAddress{}});
    }
    return made;
  };
  for (const auto& [number, each] : by_number_) {
    const auto it = by_number_.find(each->joined);
    const Connection* peer = it == by_number_.end() ? nullptr : it->second.get();
    const bool straight = peer != nullptr && peer != each.get();
    if (straight && peer->number < number) continue;  // told with the other one
    CallInfo info;
    info.id = number;
    info.protocol = "mgcp";
    info.state = each->id.empty() ? CallState::Calling : CallState::Established;
    info.from = each->name;
    info.since = each->since;
    info.media[kCaller] = ends(*each, false);
    info.media[kCallee] = straight ? ends(*peer, false) : ends(*each, true);
    info.places = {each->near.place, straight ? peer->near.place : each->far.place};
    if (straight)
      info.to = peer->name;
    else if (!info.media[kCallee].empty() && info.media[kCallee].front().theirs.port != 0)
      info.to = info.media[kCallee].front().theirs.to_string();
    out.push_back(std::move(info));
  }
  return out;
}

}  // namespace sallyport::adapter::mgcp
