#include <algorithm>
#include <utility>

#include "adapter/sip/transaction_state.h"
#include "adapter/sip/transport.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

std::string branch_key(std::string_view branch, std::string_view method) {
  return std::string(branch).append("|").append(method);
}

// ACK for a non-2xx (RFC 3261 17.1.1.3) and CANCEL (9.1) repeat what the INVITE said, with its own
// top Via only.
wire::Builder like(const wire::Message& invite, std::string_view method, std::string_view to) {
  using wire::HeaderName;
  auto builder = wire::Builder::request(method, invite.request_uri());
  builder.add(HeaderName::Via, invite.list(HeaderName::Via).front());
  for (const wire::Header& header : invite.headers())
    if (header.name == HeaderName::Route) builder.add(HeaderName::Route, header.value);
  builder.add(HeaderName::MaxForwards, "70");
  builder.add(HeaderName::From, invite.find(HeaderName::From).value_or(""));
  builder.add(HeaderName::To, to);
  builder.add(HeaderName::CallId, invite.find(HeaderName::CallId).value_or(""));
  const auto cseq = wire::CSeq::parse(invite.find(HeaderName::CSeq).value_or(""));
  builder.add(HeaderName::CSeq, std::to_string(cseq ? cseq->number : 1).append(" ").append(method));
  return builder;
}

}  // namespace

Transactions::Transactions(const Config& config, RateGuard& guard, Transport& transport,
                           Timers& timers, Random& random, Counters& counters)
    : config_(config),
      guard_(guard),
      transport_(transport),
      timers_(timers),
      random_(random),
      counters_(counters),
      octets_(config.max_transaction_octets) {}

Transactions::~Transactions() = default;

std::string Transactions::with_via(const Hop& to, const std::string& request,
                                   std::string_view branch) const {
  const TransportAddress shown = transport_.shown_address(to);
  const std::size_t line_end = request.find("\r\n");
  if (line_end == std::string::npos || shown.port == 0 || shown.ip.is_unspecified()) return {};
  std::string text = request.substr(0, line_end);
  text.append("\r\nVia: SIP/2.0/").append(name(to.transport)).append(" ");
  text.append(shown.to_string()).append(";branch=").append(branch).append(";rport");
  return text.append(request, line_end);
}

// Until end(client).
void Transactions::remember(const ClientPtr& client) {
  octets_.take_settled(client->sent.size());
  clients_[client->id] = client;
  clients_by_branch_[client->branch_key] = client;
}

ClientId Transactions::request(const Hop& to, const std::string& request, ResponseHandler handler,
                               Commands& out, std::string_view branch_suffix) {
  const auto client = std::make_shared<Client>();
  client->id = ClientId{++next_id_};
  const std::string branch = "z9hG4bK" + random_.hex(10).append(branch_suffix);
  const std::string method = request.substr(0, request.find(' '));
  client->method = wire::method_of(method);
  client->branch_key = branch_key(branch, method);
  client->to = to;
  client->handler = std::move(handler);
  const bool full = clients_.size() >= config_.max_transactions;
  if (!full) client->sent = with_via(to, request, branch);
  remember(client);
  if (client->sent.empty()) {
    const Errc why = full ? Errc::Exhausted : Errc::Unreachable;
    client->end_timer = timers_.start(
        Duration::zero(), [this, client, why](Commands& later) { fail_client(client, why, later); },
        out);
    return client->id;
  }
  client->end_timer = timers_.start(
      k64T1,
      [this, client](Commands& later) {  // timers B and F
        counters_.add("client_timeout");
        fail_client(client, Errc::NotFound, later);
      },
      out);
  transmit(client, out);
  if (!is_reliable(to.transport)) repeat_request(client, kT1, out);
  return client->id;
}

void Transactions::transmit(const ClientPtr& client, Commands& out) {
  const auto on_unsent = [this, client](Errc why, Commands& at) {
    if (client->state != Client::State::Calling) return;
    timers_.stop(client->end_timer);
    timers_.stop(client->repeat_timer);
    // Not from within request(): its caller does not have the id yet.
    client->end_timer = timers_.start(
        Duration::zero(), [this, client, why](Commands& later) { fail_client(client, why, later); },
        at);
  };
  client->to = transport_.send(client->to, client->sent, on_unsent, out);
  if (client->to.connection) by_connection_.emplace(client->to.connection, client->id);
}

void Transactions::repeat_request(const ClientPtr& client, Duration interval, Commands& out) {
  client->repeat_timer = timers_.start(
      interval,
      [this, client, interval](Commands& later) {
        const bool invite = client->method == wire::Method::Invite;
        if (client->state != Client::State::Calling &&
            (invite || client->state != Client::State::Proceeding))
          return;
        transport_.send(client->to, client->sent, {}, later);
        // Timer A doubles without limit (B ends it); E up to T2, and is T2 once Proceeding.
        Duration next = invite ? 2 * interval : std::min(2 * interval, kT2);
        if (client->state == Client::State::Proceeding) next = kT2;
        repeat_request(client, next, later);
      },
      out);
}

void Transactions::send(const Hop& to, const std::string& request, Commands& out) {
  const std::string text = with_via(to, request, "z9hG4bK" + random_.hex(10));
  if (!text.empty()) transport_.send(to, text, {}, out);
}

const Hop* Transactions::destination(ClientId id) const {
  const auto it = clients_.find(id);
  return it == clients_.end() ? nullptr : &it->second->to;
}

std::string_view Transactions::sent(ClientId id) const {
  const auto it = clients_.find(id);
  return it == clients_.end() ? std::string_view{} : it->second->sent;
}

ClientId Transactions::adopt(const Hop& to, std::string invite, ResponseHandler handler) {
  const auto client = std::make_shared<Client>();
  client->id = ClientId{++next_id_};
  client->method = wire::Method::Invite;
  client->state = Client::State::Proceeding;
  client->to = to;
  client->sent = std::move(invite);
  client->handler = std::move(handler);
  const auto message = wire::Message::parse(client->sent);
  const auto vias =
      message ? message->list(wire::HeaderName::Via) : std::vector<std::string_view>{};
  const auto via = vias.empty() ? fail(Errc::BadValue, "no Via") : wire::Via::parse(vias.front());
  client->branch_key = branch_key(via ? via->branch() : "", "INVITE");
  remember(client);
  return client->id;
}

void Transactions::forget(ClientId id) {
  if (const auto it = clients_.find(id); it != clients_.end()) it->second->handler = {};
}

// ---- responses ----

void Transactions::on_client_response(const wire::Message& response, Commands& out) {
  const auto vias = response.list(wire::HeaderName::Via);
  const auto cseq = wire::CSeq::parse(response.find(wire::HeaderName::CSeq).value_or(""));
  const auto via = vias.empty() ? fail(Errc::BadValue, "no Via") : wire::Via::parse(vias.front());
  if (!via || !cseq || !response.validate()) return counters_.add("invalid_dropped");
  const auto it = clients_by_branch_.find(branch_key(via->branch(), cseq->method));
  if (it == clients_by_branch_.end()) return counters_.add("stray_response");
  const ClientPtr client = it->second;
  if (client->method == wire::Method::Invite) return on_invite_response(client, response, out);
  on_other_response(client, response, out);
}

void Transactions::on_invite_response(const ClientPtr& client, const wire::Message& response,
                                      Commands& out) {
  const int status = response.status();
  const auto tell = [&] {
    // A copy: the handler may forget the transaction while it runs.
    const auto on_response = client->handler.on_response;
    if (on_response) on_response(response, out);
  };
  if (client->state == Client::State::Completed) {
    if (status >= 300 && !client->ack.empty()) transport_.send(client->to, client->ack, {}, out);
    return;
  }
  if (client->state == Client::State::Accepted) {
    if (status >= 200 && status < 300) tell();
    return;
  }
  timers_.stop(client->repeat_timer);
  if (status < 200) {
    if (client->state == Client::State::Calling) {
      client->state = Client::State::Proceeding;
      timers_.stop(client->end_timer);
    }
    if (client->cancel_wanted) return send_cancel(client, out);
    return tell();
  }
  if (status < 300) {
    client->state = Client::State::Accepted;
    end_after(client, k64T1, out);  // timer M
    return tell();
  }
  client->state = Client::State::Completed;
  acknowledge(*client, response, out);
  // Timer D: repeated final responses are met with the ACK again.
  end_after(client, is_reliable(client->to.transport) ? Duration::zero() : k64T1, out);
  tell();
}

void Transactions::on_other_response(const ClientPtr& client, const wire::Message& response,
                                     Commands& out) {
  if (client->state == Client::State::Completed) return;
  if (response.status() < 200) {
    client->state = Client::State::Proceeding;
  } else {
    client->state = Client::State::Completed;
    timers_.stop(client->repeat_timer);
    end_after(client, is_reliable(client->to.transport) ? Duration::zero() : kT4, out);  // timer K
  }
  const auto on_response = client->handler.on_response;
  if (on_response) on_response(response, out);
}

void Transactions::acknowledge(Client& client, const wire::Message& response, Commands& out) {
  const auto invite = wire::Message::parse(client.sent);
  if (!invite) return;
  const auto to = response.find(wire::HeaderName::To).value_or("");
  client.ack = like(*invite, "ACK", to).finish();
  transport_.send(client.to, client.ack, {}, out);
}

// ---- cancelling ----

void Transactions::cancel(ClientId id, Commands& out, std::string_view reason) {
  const auto it = clients_.find(id);
  if (it == clients_.end() || it->second->cancel_wanted) return;
  const ClientPtr client = it->second;
  client->cancel_wanted = true;
  client->cancel_reason = reason;
  // RFC 3261 9.1: not before a provisional response has come.
  if (client->state == Client::State::Proceeding) send_cancel(client, out);
}

void Transactions::abandon(ClientId id, Commands& out) {
  if (const auto it = clients_.find(id); it != clients_.end())
    timers_.stop(it->second->repeat_timer);
  cancel(id, out);
}

void Transactions::send_cancel(const ClientPtr& client, Commands& out) {
  if (std::exchange(client->cancel_sent, true)) return;
  const auto invite = wire::Message::parse(client->sent);
  if (!invite) return;
  auto builder = like(*invite, "CANCEL", invite->find(wire::HeaderName::To).value_or(""));
  if (!client->cancel_reason.empty()) builder.add(wire::HeaderName::Reason, client->cancel_reason);

  // A transaction of its own that shares the INVITE's branch.
  const auto cancel = std::make_shared<Client>();
  cancel->id = ClientId{++next_id_};
  cancel->method = wire::Method::Cancel;
  const auto via = wire::Via::parse(invite->list(wire::HeaderName::Via).front());
  cancel->branch_key = branch_key(via ? via->branch() : "", "CANCEL");
  cancel->to = client->to;
  cancel->sent = builder.finish();
  remember(cancel);
  cancel->end_timer = timers_.start(
      k64T1, [this, cancel](Commands& later) { fail_client(cancel, Errc::NotFound, later); }, out);
  transmit(cancel, out);
  if (!is_reliable(cancel->to.transport)) repeat_request(cancel, kT1, out);

  // RFC 3261 9.1: without a final response 64*T1 later the INVITE is taken for cancelled.
  timers_.stop(client->end_timer);
  client->end_timer = timers_.start(
      k64T1, [this, client](Commands& later) { fail_client(client, Errc::NotFound, later); }, out);
}

// ---- ends ----

void Transactions::fail_client(const ClientPtr& client, Errc why, Commands& out) {
  const bool unanswered =
      client->state == Client::State::Calling || client->state == Client::State::Proceeding;
  const auto on_failed = client->handler.on_failed;
  end(client);
  if (unanswered && on_failed) on_failed(why, out);
}

void Transactions::on_connection_closed(edge::ConnectionId connection, Commands& out) {
  std::vector<ClientPtr> clients;
  const auto [first, last] = by_connection_.equal_range(connection);
  for (auto it = first; it != last; ++it)
    if (const auto found = clients_.find(it->second); found != clients_.end())
      clients.push_back(found->second);
  by_connection_.erase(connection);
  // What has been answered provisionally may be answered on a new connection (RFC 3261 18.2.2).
  for (const ClientPtr& client : clients)
    if (client->state == Client::State::Calling) fail_client(client, Errc::Closed, out);
}

void Transactions::end_after(const ClientPtr& client, Duration after, Commands& out) {
  timers_.stop(client->end_timer);
  if (after == Duration::zero()) return end(client);
  client->end_timer = timers_.start(
      after, [this, client](Commands&) { end(client); }, out);
}

void Transactions::end(const ClientPtr& client) {
  timers_.stop(client->repeat_timer);
  timers_.stop(client->end_timer);
  clients_by_branch_.erase(client->branch_key);
  if (clients_.erase(client->id) != 0) octets_.give_back_settled(client->sent.size());
  const auto [first, last] = by_connection_.equal_range(client->to.connection);
  for (auto it = first; it != last; ++it) {
    if (it->second != client->id) continue;
    by_connection_.erase(it);
    break;
  }
}

}  // namespace sallyport::adapter::sip
