#include "adapter/mgcp/relay.h"

#include <algorithm>
#include <utility>

#include "codec/addresses/address_scan.h"
#include "codec/text.h"

namespace sallyport::adapter::mgcp {
namespace {

// After so many repetitions without an answer the next address is tried (RFC 3435 4.3: Max1 is 5,
// of which a gateway needs some for the next one).
constexpr unsigned kTriesOfAddress = 3;

}  // namespace

std::string_view commentary(Refusal refusal) {
  switch (refusal) {
    case Refusal::NoResourcesNow:
      return "insufficient resources at this time";
    case Refusal::UnknownEndpoint:
      return "endpoint unknown";
    case Refusal::NotReady:
      return "endpoint not ready";
    case Refusal::NoResources:
      return "insufficient resources";
    case Refusal::UnknownCommand:
      return "unknown or unsupported command";
    case Refusal::BadRemoteDescription:
      return "unsupported remote connection descriptor";
    case Refusal::ProtocolError:
      break;
  }
  return "protocol error";
}

Relay::Relay(Stack& stack, Gateways& gateways, CallAgents& call_agents, Transactions& transactions,
             Connections& connections)
    : stack_(stack),
      gateways_(gateways),
      call_agents_(call_agents),
      transactions_(transactions),
      connections_(connections),
      restarts_(stack) {
  transactions_.on_unanswered([this](const About& about, Commands& out) {
    const Connection* connection = connections_.find(about.media);
    if (connection != nullptr && connection->id.empty()) connections_.release(about.media, out);
  });
}

// ---- Datagrams ----

void Relay::on_datagram(const Peer& from, std::string_view datagram, Commands& out) {
  if (!stack_.guard.hears(from.hop, out.now())) return stack_.counters.add("flood");
  const auto batch = std::make_shared<Batch>();
  batch->from = from;
  batch->text = datagram;
  batch->messages = codec::mgcp::split_datagram(batch->text);
  go_on(batch, out);
}

void Relay::go_on(const BatchPtr& batch, Commands& out) {
  while (batch->next < batch->messages.size()) {
    const std::string_view text = batch->messages[batch->next++];
    if (take(batch, text, out) != Progress::Done) return;
  }
}

Relay::Progress Relay::take(const BatchPtr& batch, std::string_view text, Commands& out) {
  const auto message = Message::parse(text);
  if (!message) {
    on_malformed(batch->from, text, message.error(), out);
    return Progress::Done;
  }
  if (message->is_command()) return on_command(batch, *message, out);
  on_answer(batch->from, *message, out);
  return Progress::Done;
}

void Relay::on_malformed(const Peer& from, std::string_view text, const Error& why, Commands& out) {
  stack_.counters.add("malformed");
  const auto id = Message::transaction_of_command(text);
  if (!id || stack_.guard.admits(from.hop, false, out.now()) == RateGuard::Verdict::Drop) return;
  stack_.log.debug("mgcp message not understood", {{"agent", from.hop.place.agent.value},
                                                   {"remote", from.hop.remote.to_string()},
                                                   {"why", why.what}});
  refuse_unkept(from, *id, Refusal::ProtocolError, out);
}

Relay::Progress Relay::on_command(const BatchPtr& batch, const Message& command, Commands& out) {
  const Peer& from = batch->from;
  if (Transaction* known = transactions_.find(from, command.transaction()))
    return repeat(*known, out);
  const bool begins = command.verb() == codec::mgcp::Verb::Crcx;
  switch (stack_.guard.admits(from.hop, begins, out.now())) {
    case RateGuard::Verdict::Drop:
      stack_.counters.add("flood");
      return Progress::Done;
    case RateGuard::Verdict::Refuse:
      refuse_unkept(from, command.transaction(), Refusal::NoResourcesNow, out);
      return Progress::Done;
    case RateGuard::Verdict::Pass:
      break;
  }
  // Whoever may not command is told no more than that there is nothing here.
  if (from.face == Face::CallAgent && !call_agents_.is_one(from.hop)) {
    stack_.counters.add("stranger");
    refuse_unkept(from, command.transaction(), Refusal::UnknownEndpoint, out);
    return Progress::Done;
  }
  Transaction* transaction =
      transactions_.begin(from, command.transaction(), command.text().size(), out);
  if (transaction == nullptr) {
    refuse_unkept(from, command.transaction(), Refusal::NoResourcesNow, out);
    return Progress::Done;
  }
  transaction->about.verb = command.verb();
  return from.face == Face::CallAgent ? to_gateway(batch, command, *transaction, out)
                                      : to_call_agent(batch, command, *transaction, out);
}

Relay::Progress Relay::repeat(Transaction& transaction, Commands& out) {
  stack_.counters.add("repeated");
  if (transaction.answered) {
    stack_.send(transaction.from, transaction.answer, out);
    return Progress::Done;
  }
  transactions_.touch(transaction, out);
  if (!transaction.ready) return Progress::Stop;
  pass_on(transaction, out);
  return Progress::Done;
}

void Relay::pass_on(Transaction& transaction, Commands& out) {
  transaction.ready = true;
  if (!transaction.addresses.empty()) {
    const std::size_t index = transaction.sent / kTriesOfAddress % transaction.addresses.size();
    transaction.to->hop.remote = transaction.addresses[index];
  }
  ++transaction.sent;
  if (!stack_.send(*transaction.to, transaction.text, out)) stack_.counters.add("not_sent");
}

// ---- Answers of any kind ----

void Relay::answer(Transaction& transaction, std::string text, bool is_final, Commands& out) {
  transaction.answer = std::move(text);
  transaction.answered = transaction.answered || is_final;
  if (transaction.answered) transaction.text.clear();
  transactions_.touch(transaction, out);
  stack_.send(transaction.from, transaction.answer, out);
}

void Relay::refuse(Transaction& transaction, Refusal refusal, Commands& out) {
  const int code = static_cast<int>(refusal);
  stack_.counters.add("refused_" + std::to_string(code));
  answer(transaction, codec::mgcp::response(code, transaction.theirs, commentary(refusal)), true,
         out);
}

void Relay::refuse_unkept(const Peer& to, TransactionId id, Refusal refusal, Commands& out) {
  const int code = static_cast<int>(refusal);
  stack_.counters.add("refused_" + std::to_string(code));
  stack_.send(to, codec::mgcp::response(code, id, commentary(refusal)), out);
}

// ---- What call agents are not to see ----

std::string Relay::entity_of(const Gateway& gateway, std::string_view local) const {
  return gateway.notified.find(local).value_or(call_agents_.name_for(gateway));
}

IpAddress Relay::shown_to(const Peer& call_agent) const {
  const IpAddress& remote = call_agent.hop.remote.ip;
  if (call_agent.hop.place.is_outside())
    for (const IpAddress& ip : stack_.config.advertised)
      if (ip.is_v4() == remote.is_v4()) return ip;
  return call_agent.hop.local.ip;
}

std::string Relay::without_addresses(std::string_view text, const Gateway& gateway,
                                     const IpAddress& shown) const {
  const auto found = codec::find_addresses(text, [&](const IpAddress& ip) {
    return ip != shown && !ip.is_unspecified() && (ip.is_private() || ip == gateway.address.ip);
  });
  std::string out;
  std::size_t at = 0;
  for (const codec::FoundAddress& each : found) {
    if (each.offset < at) continue;
    out += text.substr(at, each.offset - at);
    out += shown.to_string();
    at = each.offset + each.size;
  }
  return out += text.substr(at);
}

// ---- The end ----

// A connection cannot go on without us. Nobody is left to hear answers: each is told once.
void Relay::end_all(Commands& out) {
  connections_.for_each([&](const Connection& connection) {
    const Gateway* gateway = gateways_.find(connection.gateway);
    if (gateway == nullptr || connection.id.empty()) return;
    const std::string end = "C: " + connection.call_id + "\r\nI: " + connection.id + "\r\n";
    Peer near;
    near.hop.place = gateway->place;
    near.hop.remote = gateway->address;
    near.hop.local.ip = gateway->local;
    stack_.send(near,
                codec::mgcp::command("DLCX", transactions_.new_id(),
                                     connection.local + "@" + gateway->domain) +
                    end,
                out);
    call_agents_.locate(
        *gateway, std::nullopt,
        [&](const CallAgents::Target& target, Commands& at) {
          if (target.addresses.empty()) return;
          Peer far;
          far.face = Face::CallAgent;
          far.hop.place = target.place;
          far.hop.remote = target.addresses.front();
          // RFC 3435 2.5: 900, endpoint malfunctioning.
          stack_.send(far,
                      codec::mgcp::command("DLCX", transactions_.new_id(), connection.name) + end +
                          "E: 900\r\n",
                      at);
        },
        out);
  });
}

}  // namespace sallyport::adapter::mgcp
