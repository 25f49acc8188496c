#include <utility>

#include "adapter/sip/transaction_state.h"
#include "adapter/sip/transport.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

constexpr seconds kFloodPause{5};
// A request is kept here, by whoever serves it, and in part (its body) by what that has made of it.
constexpr std::size_t kCopies = 3;

std::string text_of(wire::Method method, const wire::Message& request) {
  return std::string(method == wire::Method::Other ? request.method_text() : wire::name(method));
}

// RFC 3261 17.2.3: branch, sent-by and method; an ACK belongs to its INVITE. Without the magic
// cookie: Request-URI, From tag, Call-ID, CSeq number and the top Via.
std::string server_key(const wire::Message& request, const Hop& from, wire::Method method) {
  const auto vias = request.list(wire::HeaderName::Via);
  const auto via = vias.empty() ? fail(Errc::BadValue, "no Via") : wire::Via::parse(vias.front());
  std::string key = std::to_string(from.place.agent.value) + '|' + text_of(method, request) + '|';
  if (!via) return key;
  key.append(via->host).append(":").append(std::to_string(via->port)).append("|");
  if (via->magic()) return key.append(via->branch());
  const auto cseq = wire::CSeq::parse(request.find(wire::HeaderName::CSeq).value_or(""));
  const auto from_header = wire::NameAddr::parse(request.find(wire::HeaderName::From).value_or(""));
  key.append("2543|").append(request.request_uri()).append("|");
  key.append(request.find(wire::HeaderName::CallId).value_or("")).append("|");
  if (cseq) key.append(std::to_string(cseq->number)).append("|");
  if (from_header) key.append(from_header->tag().value_or("")).append("|");
  return key.append(via->branch());
}

void add_retry_after(wire::Builder& response, seconds retry_after) {
  if (retry_after > seconds{0})
    response.add(wire::HeaderName::RetryAfter, std::to_string(retry_after.count()));
}

// Can a response to it be made at all (RFC 3261 8.2.6.2)?
bool is_answerable(const wire::Message& request) {
  using wire::HeaderName;
  for (const HeaderName name :
       {HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq})
    if (!request.has(name)) return false;
  // A Via that cannot be read is copied all the same: the answer goes to the very source.
  return true;
}

}  // namespace

const wire::Message* Transactions::request(ServerId id) const {
  const auto it = servers_.find(id);
  return it == servers_.end() || !it->second->request ? nullptr : &*it->second->request;
}

const Hop* Transactions::source(ServerId id) const {
  const auto it = servers_.find(id);
  return it == servers_.end() ? nullptr : &it->second->from;
}

Transactions::ServerPtr Transactions::find_server(const std::string& key) const {
  const auto it = servers_by_key_.find(key);
  return it == servers_by_key_.end() ? nullptr : it->second;
}

void Transactions::on_message(const wire::Message& message, const Hop& from, Commands& out) {
  if (!message.is_request()) return on_client_response(message, out);
  const auto valid = message.validate();
  if (!valid) return on_malformed(message, valid.error(), from, out);
  if (from.connection) transport_.vouch(from.connection);
  switch (message.method()) {
    case wire::Method::Ack:
      return on_server_ack(message, from, out);
    case wire::Method::Cancel:
      return on_server_cancel(message, from, out);
    default:
      return on_server_request(message, from, out);
  }
}

void Transactions::on_malformed(const wire::Message& head, const Error& what, const Hop& from,
                                Commands& out) {
  if (head.method() == wire::Method::Ack || !is_answerable(head))
    return counters_.add("invalid_dropped");
  counters_.add("invalid_refused");
  if (what.code == Errc::Unsupported) return refuse(head, from, 505, {}, out);
  refuse(head, from, 400, what.what, out);
}

void Transactions::refuse(const wire::Message& request, const Hop& from, int status,
                          std::string_view reason, Commands& out, seconds retry_after) {
  const std::string_view phrase = reason.empty() ? wire::default_reason(status) : reason;
  auto response = wire::Builder::response(request, status, phrase, random_.hex(8));
  add_retry_after(response, retry_after);
  transport_.send(Transport::response_hop(request, from), response.finish(), {}, out);
}

Transactions::ServerPtr Transactions::begin_server(std::string key, const wire::Message& request,
                                                   const Hop& from) {
  auto server = std::make_shared<Server>();
  server->id = ServerId{++next_id_};
  server->key = std::move(key);
  server->method = request.method();
  server->request = request;
  server->from = from;
  server->back = Transport::response_hop(request, from);
  server->claimant = claimant_of(config_.limits.upstreams, from, Place::outside());
  charge(*server, kCopies * request.text().size());
  servers_[server->id] = server;
  servers_by_key_[server->key] = server;
  return server;
}

ServerId Transactions::adopt(const wire::Message& invite, const Hop& from) {
  return begin_server(server_key(invite, from, wire::Method::Invite), invite, from)->id;
}

// Not more in a second than may come from there. What is refused has no transaction: a repetition
// asks again.
bool Transactions::admit(const wire::Message& request, const Hop& from, Commands& out) {
  const auto to = wire::NameAddr::parse(request.find(wire::HeaderName::To).value_or(""));
  const bool in_dialog = to && to->tag();
  const bool new_call = request.method() == wire::Method::Invite && !in_dialog;
  switch (guard_.admits(from, new_call, out.now())) {
    case RateGuard::Verdict::Pass:
      return true;
    case RateGuard::Verdict::Refuse:
      counters_.add("flood_refused");
      // RFC 3261 21.5.4: an upstream with Retry-After would send nobody's calls for so long.
      refuse(request, from, 503, {}, out,
             is_upstream(config_.limits.upstreams, from) ? seconds{0} : kFloodPause);
      return false;
    case RateGuard::Verdict::Drop:
      break;
  }
  counters_.add("flood_dropped");
  return false;
}

// Whether there is room to remember it. Their number alone bounds little: a request has up to 64
// KB.
bool Transactions::has_room(const wire::Message& request, const Hop& from, Commands& out) {
  const Claimant claimant = claimant_of(config_.limits.upstreams, from, Place::outside());
  if (servers_.size() >= config_.max_transactions) {
    counters_.add("too_many_transactions");
  } else if (!octets_.allows(claimant, kCopies * request.text().size())) {
    counters_.add("too_many_octets");
  } else {
    return true;
  }
  refuse(request, from, 503, {}, out);
  return false;
}

void Transactions::charge(Server& server, std::size_t octets) {
  if (server.octets != 0) octets_.give_back(server.claimant, server.octets);
  if (octets != 0) octets_.take(server.claimant, octets);
  server.octets = octets;
}

void Transactions::on_server_request(const wire::Message& request, const Hop& from, Commands& out) {
  std::string key = server_key(request, from, request.method());
  if (const auto server = find_server(key)) {
    counters_.add("retransmission_absorbed");
    // RFC 6026 7.1: an INVITE repeated after its 2xx is absorbed; the callee repeats the 2xx.
    if (server->state == Server::State::Proceeding || server->state == Server::State::Completed)
      send_response(*server, out);
    return;
  }
  if (!admit(request, from, out)) return;
  if (!has_room(request, from, out)) return;
  const auto server = begin_server(std::move(key), request, from);
  // The user may end the transaction; the message that it reads must outlive that.
  user_->on_request(server->id, request, from, out);
}

void Transactions::on_server_ack(const wire::Message& ack, const Hop& from, Commands& out) {
  const auto server = find_server(server_key(ack, from, wire::Method::Invite));
  if (!server || server->state == Server::State::Accepted) return user_->on_ack(ack, from, out);
  if (server->state != Server::State::Completed) return;
  server->state = Server::State::Confirmed;
  timers_.stop(server->repeat_timer);
  // Timer I absorbs repeated ACKs: T4 where datagrams may be repeated, else nothing.
  end_after(server, is_reliable(server->from.transport) ? Duration::zero() : kT4, out);
}

void Transactions::on_server_cancel(const wire::Message& cancel, const Hop& from, Commands& out) {
  std::string key = server_key(cancel, from, wire::Method::Cancel);
  if (const auto server = find_server(key)) return send_response(*server, out);
  if (!has_room(cancel, from, out)) return;
  const auto server = begin_server(std::move(key), cancel, from);
  const auto invite = find_server(server_key(cancel, from, wire::Method::Invite));
  // RFC 3261 9.2: 481 without an INVITE; 200 in any case with one.
  respond(server->id, invite ? 200 : 481, {}, out);
  if (invite && invite->state == Server::State::Proceeding)
    user_->on_cancel(invite->id, cancel, out);
}

void Transactions::respond(ServerId id, int status, std::string_view reason, Commands& out,
                           seconds retry_after) {
  const wire::Message* asked = request(id);
  if (asked == nullptr) return;
  const std::string_view phrase = reason.empty() ? wire::default_reason(status) : reason;
  // RFC 3261 8.2.6.2: a 100 has no tag.
  const std::string tag = status == 100 ? std::string{} : random_.hex(8);
  auto response = wire::Builder::response(*asked, status, phrase, tag);
  add_retry_after(response, retry_after);
  respond(id, response.finish(), out);
}

void Transactions::respond(ServerId id, const std::string& response, Commands& out) {
  const auto it = servers_.find(id);
  if (it == servers_.end() || it->second->state != Server::State::Proceeding) return;
  const ServerPtr server = it->second;
  // "SIP/2.0 200 ...": what we send begins like that, whoever made it.
  const int status = response.size() > 11 ? std::atoi(response.c_str() + 8) : 500;
  charge(*server, server->octets - server->last_response.size() + response.size());
  server->last_response = response;
  send_response(*server, out);
  if (status >= 200) on_final(server, status, out);
}

void Transactions::send_response(Server& server, Commands& out) {
  if (server.last_response.empty()) return;
  transport_.send(server.back, server.last_response, {}, out);
}

void Transactions::repeat(ServerId id, Commands& out) {
  const auto it = servers_.find(id);
  if (it != servers_.end() && it->second->state == Server::State::Accepted)
    send_response(*it->second, out);
}

void Transactions::on_final(const ServerPtr& server, int status, Commands& out) {
  if (server->method == wire::Method::Register && status < 300)
    user_->on_registered(*server->request, server->from, out);
  server->request.reset();
  const bool reliable = is_reliable(server->from.transport);
  if (server->method != wire::Method::Invite) {
    server->state = Server::State::Completed;
    return end_after(server, reliable ? Duration::zero() : k64T1, out);  // timer J
  }
  if (status < 300) {
    server->state = Server::State::Accepted;
    return end_after(server, k64T1, out);  // timer L
  }
  server->state = Server::State::Completed;
  if (!reliable) repeat_final(server, kT1, out);  // timer G
  server->end_timer = timers_.start(
      k64T1,
      [this, server](Commands& later) {  // timer H
        end(server);
        user_->on_unacknowledged(server->id, later);
      },
      out);
}

void Transactions::repeat_final(const ServerPtr& server, Duration interval, Commands& out) {
  server->repeat_timer = timers_.start(
      interval,
      [this, server, interval](Commands& later) {
        if (server->state != Server::State::Completed) return;
        send_response(*server, later);
        repeat_final(server, std::min(2 * interval, kT2), later);
      },
      out);
}

void Transactions::end_after(const ServerPtr& server, Duration after, Commands& out) {
  timers_.stop(server->end_timer);
  if (after == Duration::zero()) return end(server);
  server->end_timer = timers_.start(
      after, [this, server](Commands&) { end(server); }, out);
}

void Transactions::end(const ServerPtr& server) {
  timers_.stop(server->repeat_timer);
  timers_.stop(server->end_timer);
  charge(*server, 0);
  servers_by_key_.erase(server->key);
  servers_.erase(server->id);
}

void Transactions::on_edge_lost(Place place, Commands& out) {
  std::vector<ServerPtr> servers;
  for (const auto& [id, server] : servers_)
    if (server->from.place == place) servers.push_back(server);
  for (const ServerPtr& server : servers) end(server);
  std::vector<ClientPtr> clients;
  for (const auto& [id, client] : clients_)
    if (client->to.place == place) clients.push_back(client);
  for (const ClientPtr& client : clients) fail_client(client, Errc::Closed, out);
}

}  // namespace sallyport::adapter::sip
