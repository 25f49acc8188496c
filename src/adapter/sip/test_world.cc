#include "adapter/sip/test_world.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "codec/sip/headers.h"

namespace sallyport::adapter::sip::test {

using wire::HeaderName;

// ---- edges ----

void FakeEdge::listen(edge::ListenerId id, const edge::ListenSpec& spec) {
  listeners.push_back({id, spec.transport, spec.address.port});
  world_.later(
      [this, id, spec] { world_.adapter->on_listening(place_, id, spec.address, world_); });
}

void FakeEdge::connect(edge::ConnectionId id, const edge::ConnectSpec& spec) {
  world_.later([this, id, spec] {
    for (auto& phone : world_.phones_) {
      if (phone->place != place_ || phone->at != spec.remote || phone->transport != spec.transport)
        continue;
      phone->connection = id;
      return world_.adapter->on_connected(place_, id, {{host_, 40000}, spec.remote}, world_);
    }
    world_.adapter->on_closed(place_, id, {Errc::Unreachable, "refused"}, world_);
  });
}

void FakeEdge::send(edge::ConnectionId id, Bytes octets) {
  world_.deliver(place_, {}, id, std::string(as_text(octets)));
}

void FakeEdge::send_datagram(edge::ListenerId, const edge::Addresses& addresses, Bytes datagram) {
  world_.deliver(place_, addresses.remote, {}, std::string(as_text(datagram)));
}

void FakeEdge::close(edge::ConnectionId id) {
  for (auto& phone : world_.phones_)
    if (phone->connection == id) phone->connection = {};
}

void FakeEdge::resolve(edge::QueryId id, const std::string& name, edge::RecordType type) {
  world_.later([this, id, name, type] {
    world_.adapter->on_resolved(place_, id, world_.dns[{name, type}], world_);
  });
}

void FakeEdge::find_local_address(edge::QueryId id, const IpAddress&) {
  world_.later([this, id] { world_.adapter->on_local_address(place_, id, host_, world_); });
}

// ---- routing ----

void FakeRouting::find(const wire::Message& request, const Hop&, Commands& out,
                       OnTargets on_targets) {
  const auto uri = wire::Uri::parse(request.request_uri());
  const std::string identity = uri ? wire::address_of_record(*uri) : std::string{};
  Targets answer;
  if (refused.contains(identity)) {
    answer.status = refused[identity];
  } else if (targets.contains(identity)) {
    answer.targets = targets[identity];
  } else if (everybody) {
    answer.targets = {*everybody};
  } else {
    answer.status = 404;
    answer.counter = "unknown_callee";
  }
  on_targets(std::move(answer), out);
}

bool FakeRouting::is_our_domain(std::string_view host) const { return host == domain; }

std::optional<std::string> FakeRouting::answer_challenge(const Target& target, const wire::Message&,
                                                         std::string_view, std::string_view) {
  return "Digest username=\"" + target.credentials + "\"";
}

// ---- phones ----

Phone::Phone(World& w, Place p, std::string n, std::string_view a, edge::Transport t)
    : world(w), place(p), name(std::move(n)), at(address(a)), transport(t) {
  tag = name + "-tag";
}

std::string Phone::contact() const {
  std::string value = "<sip:" + name + "@" + (contact_host.empty() ? at.to_string() : contact_host);
  if (transport == edge::Transport::Tcp) value += ";transport=tcp";
  if (transport == edge::Transport::Tls) value += ";transport=tls";
  return value + ">";
}

void Phone::say(const std::string& text) {
  world.later([this, text] {
    if (!world.edges_.contains(place)) return;
    FakeEdge& edge = world.fake_edge(place);
    for (const auto& listener : edge.listeners) {
      if (listener.transport != transport) continue;
      const edge::Addresses addresses{{edge.host(), listener.port}, at};
      if (transport == edge::Transport::Udp)
        return world.adapter->on_datagram(place, listener.id, addresses, as_bytes(text), world);
      if (!connection) {
        connection = edge::ConnectionId{++world.next_connection_};
        world.adapter->on_accepted(place, listener.id, connection, {transport, addresses}, world);
      }
      return world.adapter->on_received(place, connection, as_bytes(text), world);
    }
  });
  world.settle();
}

wire::Message Phone::hear() {
  if (heard.empty()) {
    ADD_FAILURE() << name << " has heard nothing";
    return *wire::Message::parse("SIP/2.0 199 Nothing\r\n\r\n");
  }
  wire::Message message = std::move(heard.front());
  heard.pop_front();
  return message;
}

wire::Message Phone::hear_request(std::string_view method) {
  wire::Message message = hear();
  EXPECT_TRUE(message.is_request()) << name << ": " << message.text();
  EXPECT_EQ(message.method_text(), method) << name << ": " << message.text();
  EXPECT_TRUE(message.validate()) << message.text();
  return message;
}

wire::Message Phone::hear_response(int status) {
  wire::Message message = hear();
  EXPECT_EQ(message.status(), status) << name << ": " << message.text();
  EXPECT_TRUE(message.validate()) << message.text();
  return message;
}

std::string Phone::request(std::string_view method, std::string_view uri, std::string_view from,
                           std::string_view to, std::string_view id, int number,
                           std::string_view extra, std::string_view body) {
  const std::string host_part = via_host.empty() ? at.to_string() : via_host;
  last_branch = "z9hG4bK" + world.random.hex(6);
  std::string text = std::string(method) + " " + std::string(uri) + " SIP/2.0\r\n";
  text += "Via: SIP/2.0/" + std::string(sip::name(transport)) + " " + host_part +
          ";branch=" + last_branch + (has_rport ? ";rport" : "") + "\r\n";
  for (const std::string& route : routes) text += "Route: " + route + "\r\n";
  text += "From: " + std::string(from) + "\r\nTo: " + std::string(to) + "\r\n";
  text += "Call-ID: " + std::string(id) + "\r\nCSeq: " + std::to_string(number) + " " +
          std::string(method) + "\r\nContact: " + contact() + "\r\nMax-Forwards: 70\r\n" +
          std::string(extra);
  if (!body.empty() && extra.find("Content-Type") == std::string_view::npos)
    text += "Content-Type: application/sdp\r\n";
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

void Phone::invite(std::string_view uri, std::string_view sdp, std::string_view extra) {
  call_id = world.random.hex(6) + "@" + host();
  local_name = "\"" + name + "\" <sip:" + name + "@example.com>";
  remote_name = "<" + std::string(uri) + ">";
  remote_tag.clear();
  cseq = invite_cseq = 1;
  last_invite =
      request("INVITE", uri, local_name + ";tag=" + tag, remote_name, call_id, cseq, extra, sdp);
  target = uri;
  say(last_invite);
}

void Phone::in_dialog(std::string_view method, std::string_view extra, std::string_view body) {
  ++cseq;
  if (method == "INVITE") invite_cseq = cseq;
  say(request(method, target, local_name + ";tag=" + tag, remote_name + ";tag=" + remote_tag,
              call_id, cseq, extra, body));
}

void Phone::ack(std::string_view body) {
  say(request("ACK", target, local_name + ";tag=" + tag, remote_name + ";tag=" + remote_tag,
              call_id, invite_cseq, {}, body));
}

void Phone::cancel() {
  // RFC 3261 9.1: the INVITE's Via, From, To, Call-ID, and its CSeq number.
  const auto asked = wire::Message::parse(last_invite);
  ASSERT_TRUE(asked);
  auto builder = wire::Builder::request("CANCEL", asked->request_uri());
  for (const HeaderName header :
       {HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId})
    builder.add(header, asked->find(header).value_or(""));
  builder.add(HeaderName::CSeq, std::to_string(invite_cseq) + " CANCEL");
  builder.add(HeaderName::MaxForwards, "70");
  say(builder.finish());
}

void Phone::respond(const wire::Message& asked, int status, std::string_view body,
                    std::string_view extra) {
  std::string text = "SIP/2.0 " + std::to_string(status) + " " +
                     std::string(wire::default_reason(status)) + "\r\n";
  for (const std::string_view via : asked.list(HeaderName::Via))
    text += "Via: " + std::string(via) + "\r\n";
  for (const std::string_view route : asked.list(HeaderName::RecordRoute))
    text += "Record-Route: " + std::string(route) + "\r\n";
  text += "From: " + std::string(*asked.find(HeaderName::From)) + "\r\n";
  std::string to(*asked.find(HeaderName::To));
  if (status != 100 && to.find(";tag=") == std::string::npos) to += ";tag=" + tag;
  text += "To: " + to + "\r\nCall-ID: " + std::string(*asked.find(HeaderName::CallId)) +
          "\r\nCSeq: " + std::string(*asked.find(HeaderName::CSeq)) + "\r\n";
  if (status > 100 && status < 300) text += "Contact: " + contact() + "\r\n";
  text += std::string(extra);
  if (!body.empty() && extra.find("Content-Type") == std::string_view::npos)
    text += "Content-Type: application/sdp\r\n";
  text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  say(text);
}

void Phone::learn(const wire::Message& response) {
  remote_tag = tag_of(*response.find(HeaderName::To));
  routes.clear();
  for (const std::string_view route : response.list(HeaderName::RecordRoute))
    routes.insert(routes.begin(), std::string(route));
  const auto contacts = response.list(HeaderName::Contact);
  if (contacts.empty()) return;
  target = wire::NameAddr::parse(contacts.front())->uri.text;
}

void Phone::learn_request(const wire::Message& asked) {
  call_id = *asked.find(HeaderName::CallId);
  local_name = without_tag(*asked.find(HeaderName::To));
  remote_name = without_tag(*asked.find(HeaderName::From));
  remote_tag = tag_of(*asked.find(HeaderName::From));
  target = wire::NameAddr::parse(asked.list(HeaderName::Contact).front())->uri.text;
  cseq = 1000;
  routes.clear();
  for (const std::string_view route : asked.list(HeaderName::RecordRoute))
    routes.emplace_back(route);
}

std::string Phone::sdp(std::uint16_t port, std::string_view more) const {
  const std::uint16_t rtp = port != 0 ? port : 4000;
  return "v=0\r\no=" + name + " 1 1 IN IP4 " + host() + "\r\ns=-\r\nc=IN IP4 " + host() +
         "\r\nt=0 0\r\nm=audio " + std::to_string(rtp) + " RTP/AVP 0\r\n" + std::string(more);
}

// ---- the world ----

World::World(Config config, RegisterHandler* handler, Routing* routes)
    : config_(std::move(config)), handler_(handler), routes_(routes) {
  if (config_.advertised.empty()) config_.advertised = {kServer};
  if (config_.domain.empty()) config_.domain = "example.com";
  start(nullptr);
}

void World::start(Journal* journal) {
  adapter = std::make_unique<SipAdapter>(config_, handler_ ? *handler_ : registrar,
                                         routes_ ? *routes_ : routing, random, log);
  if (journal != nullptr) adapter->set_journal(*journal);
  add_edge(kOutside, kServer, "");
  add_edge(kSiteA, *IpAddress::parse("10.1.1.2"), "site-a");
  add_edge(kSiteB, *IpAddress::parse("10.2.2.2"), "site-b");
  adapter->hide_addresses(kSiteA, {kNatOfA});
  adapter->hide_addresses(kSiteB, {kNatOfB});
}

World::~World() = default;

void World::restart(Journal& journal) {
  settle();
  edges_.clear();
  timers_ = {};
  paths.ports.clear();
  for (const auto& phone : phones_) phone->connection = {};
  start(&journal);
}

void World::add_edge(Place place, IpAddress host, const std::string& name) {
  edges_[place] = std::make_unique<FakeEdge>(*this, place, host);
  paths.hosts[place] = host;
  adapter->on_edge_up(place, name, *this);
  settle();
}

void World::lose_edge(Place place) {
  edges_.erase(place);
  adapter->on_edge_lost(place, *this);
  settle();
}

edge::Edge* World::edge(Place place) {
  const auto it = edges_.find(place);
  return it == edges_.end() ? nullptr : it->second.get();
}

Phone& World::phone(Place place, const std::string& name, std::string_view at,
                    edge::Transport transport) {
  phones_.push_back(std::make_unique<Phone>(*this, place, name, at, transport));
  return *phones_.back();
}

Target World::binding(const Phone& phone) const {
  Target target;
  const std::string text = phone.contact();
  target.uri = text.substr(1, text.size() - 2);
  target.place = phone.place;
  target.hop = Hop{.place = phone.place,
                   .transport = phone.transport,
                   .remote = phone.at,
                   .connection = phone.connection};
  return target;
}

void World::enrol(Phone& phone, std::uint16_t preference) {
  Target target = binding(phone);
  target.preference = preference;
  routing.targets["sip:" + phone.name + "@example.com"].push_back(target);
}

void World::deliver(Place place, const TransportAddress& to, edge::ConnectionId connection,
                    const std::string& text) {
  sent.push_back({place, to, text});
  if (loses && loses(sent.back())) return;
  if (loops_back && place.is_outside() && to.ip == kServer) {
    return later([this, text] {
      const auto& listener = fake_edge(kOutside).listeners.front();
      adapter->on_datagram(kOutside, listener.id, {{kServer, 5060}, {kServer, 5060}},
                           as_bytes(text), *this);
    });
  }
  later([this, place, to, connection, text] {
    for (auto& phone : phones_) {
      const bool here = connection ? phone->connection == connection
                                   : phone->place == place && phone->at == to &&
                                         phone->transport == edge::Transport::Udp;
      if (!here) continue;
      const auto message = wire::Message::parse(text);
      if (!message) {
        phone->keepalives.push_back(text);
      } else if (message->status() != 100) {
        phone->heard.push_back(*message);
      }
      return;
    }
  });
}

void World::settle() {
  while (true) {
    if (!events_.empty()) {
      const auto event = std::move(events_.front());
      events_.pop_front();
      event();
    } else if (!paths.later.empty()) {
      const auto event = std::move(paths.later.front());
      paths.later.pop_front();
      event(*this);
    } else if (const auto due = timers_.expire(now_)) {
      adapter->on_timer(*due, *this);
    } else {
      return;
    }
  }
}

void World::pass(Duration time) {
  const TimePoint end = now_ + time;
  settle();
  for (auto next = timers_.next_deadline(); next && *next <= end; next = timers_.next_deadline()) {
    now_ = std::max(now_, *next);
    settle();
  }
  now_ = end;
  settle();
}

void World::expect_drained() {
  // A retransmission until the last moment, what it starts anew, and the dialogs behind it.
  pass(4 * k64T1);
  EXPECT_EQ(adapter->size(), 0U);
  EXPECT_EQ(adapter->transactions().octets(), 0U);
  EXPECT_TRUE(paths.ports.empty());
}

void World::expect_nothing_leaked() const {
  const auto expect_without = [](const Sent& message, std::string_view hidden) {
    EXPECT_EQ(message.text.find(hidden), std::string::npos) << message.text;
  };
  for (const Sent& message : sent) {
    for (const std::string_view of_a : {"10.1.1.", "203.0.113.10"})
      if (message.place != kSiteA) expect_without(message, of_a);
    for (const std::string_view of_b : {"10.2.2.", "203.0.113.20"})
      if (message.place != kSiteB) expect_without(message, of_b);
  }
}

}  // namespace sallyport::adapter::sip::test
