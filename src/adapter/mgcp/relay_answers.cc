// Answers, on their way back.
#include <algorithm>
#include <utility>

#include "adapter/mgcp/relay.h"
#include "codec/text.h"

namespace sallyport::adapter::mgcp {
namespace {

using codec::mgcp::Name;
using codec::mgcp::Parameter;
using codec::mgcp::Verb;

// RFC 3435 2.4: incorrect connection-id, unknown call-id: what is not there is released.
constexpr int kIncorrectConnection = 515;
constexpr int kUnknownCall = 516;

bool is(const Parameter& parameter, std::string_view name) {
  return codec::equals_without_case(parameter.name, name);
}

// Does this answer come from whom the command went to?
bool is_of(const Transaction& transaction, const Peer& from) {
  if (!transaction.to || transaction.to->face != from.face ||
      transaction.to->hop.place != from.hop.place)
    return false;
  const IpAddress& ip = from.hop.remote.ip;
  return transaction.to->hop.remote.ip == ip ||
         std::any_of(transaction.addresses.begin(), transaction.addresses.end(),
                     [&](const TransportAddress& each) { return each.ip == ip; });
}

}  // namespace

void Relay::on_answer(const Peer& from, const Message& answer, Commands& out) {
  // RFC 3435 3.5.6: an acknowledgement of an answer, by whoever gave the command.
  if (answer.code() == 0) return on_acknowledgement(from, answer, out);
  Transaction* transaction = transactions_.find_ours(answer.transaction());
  if (transaction == nullptr || !is_of(*transaction, from))
    return stack_.counters.add("unexpected_answer");
  // The answerer wants to be sure that its answer came: whoever asked is told once more.
  if (transaction->answered) {
    stack_.send(transaction->from, transaction->answer, out);
    return;
  }
  if (from.face == Face::Gateway)
    from_gateway(*transaction, answer, out);
  else
    from_call_agent(*transaction, answer, out);
}

void Relay::on_acknowledgement(const Peer& from, const Message& acknowledgement, Commands& out) {
  const Transaction* transaction = transactions_.find(from, acknowledgement.transaction());
  if (transaction == nullptr || !transaction->answered || !transaction->to)
    return stack_.counters.add("unexpected_acknowledgement");
  stack_.send(*transaction->to, codec::mgcp::response(0, transaction->ours, {}), out);
}

// ---- Of a gateway ----

void Relay::from_gateway(Transaction& transaction, const Message& message, Commands& out) {
  Gateway* gateway = gateways_.find(transaction.about.gateway);
  if (gateway == nullptr) return;
  const About& about = transaction.about;
  // RFC 3435 2.3.5: which one it is that a wildcard stood for.
  std::string local = about.local;
  if (const auto specific = message.find("Z"); specific && codec::mgcp::has_wildcard(local))
    if (const auto name = Name::parse_endpoint(*specific)) local = name->local;
  if (message.is_success() && !about.notified.empty()) {
    gateway->notified.set(local, about.notified);
    gateways_.store(*gateway, out.wall_now());
  }
  switch (about.verb) {
    case Verb::Crcx:
    case Verb::Mdcx:
      on_connection_answer(transaction, message, *gateway, local, out);
      break;
    case Verb::Dlcx:
      if (message.is_success() || message.code() == kIncorrectConnection ||
          message.code() == kUnknownCall)
        connections_.release(gateway->id, about.local, about.call_id, about.connection, out);
      break;
    default:
      break;
  }
  // A description for which there are no ports yet waits for them.
  Connection* connection = connections_.find(about.media);
  const TransactionId ours = transaction.ours;
  std::string text{message.text()};
  if (connection != nullptr && !connection->near_text.empty() && !message.descriptions().empty()) {
    const auto ready = connections_.open(
        *connection, connection->near_text,
        [this, ours, text](bool, Commands& later) { write_to_call_agent(ours, text, later); }, out);
    if (ready == Connections::Ready::Later) return;
  }
  write_to_call_agent(ours, text, out);
}

// The connection has got its id, its local description, or nothing.
void Relay::on_connection_answer(Transaction& transaction, const Message& answer, Gateway& gateway,
                                 std::string_view local, Commands& out) {
  About& about = transaction.about;
  const bool has_description = !answer.descriptions().empty();
  if (!about.media && about.verb == Verb::Mdcx) {
    Connection* known = connections_.find(gateway.id, local, about.connection);
    if (known == nullptr && has_description)
      known = connections_.begin(gateway, local, about.call_id, transaction.from.hop, out);
    if (known != nullptr) about.media = known->number;
  }
  Connection* connection = connections_.find(about.media);
  if (connection == nullptr) return;
  if (!answer.is_success() && !answer.is_provisional()) {
    // One that exists stays as it was.
    if (connection->id.empty()) connections_.release(about.media, out);
    return;
  }
  const std::string_view id = about.verb == Verb::Mdcx
                                  ? std::string_view{about.connection}
                                  : answer.find("I").value_or(std::string_view{});
  if (!id.empty() && connection->id.empty()) connections_.made(*connection, local, id, out);
  if (has_description) connection->near_text = answer.descriptions().front();
  if (answer.is_success() && !about.description.empty()) connection->far_text = about.description;
}

void Relay::write_to_call_agent(TransactionId ours, const std::string& text, Commands& out) {
  Transaction* transaction = transactions_.find_ours(ours);
  if (transaction == nullptr || transaction->answered) return;
  const Gateway* gateway = gateways_.find(transaction->about.gateway);
  const auto message = Message::parse(text);
  if (gateway == nullptr || !message) return;
  if (Connection* connection = connections_.find(transaction->about.media);
      connection != nullptr && message->is_success())
    connections_.settle(*connection, out);

  const IpAddress shown = shown_to(transaction->from);
  Editor edit{*message};
  edit.set_transaction(transaction->theirs);
  if (std::string safe = without_addresses(message->commentary(), *gateway, shown);
      safe != message->commentary())
    edit.set_commentary(safe);
  for (std::size_t i = 0; i < message->parameters().size(); ++i) {
    const Parameter& each = message->parameters()[i];
    const bool is_endpoint = is(each, "Z") || is(each, "Z2");
    const auto name =
        is_endpoint ? Name::parse_endpoint(each.value) : fail(Errc::NotFound, "no endpoint");
    if (is(each, "N")) {
      edit.set(i, entity_of(*gateway, transaction->about.local));
    } else if (name) {
      edit.set(i, std::string{name->local} + "@" + gateway->shown);
    } else if (std::string safe = without_addresses(each.value, *gateway, shown);
               safe != each.value) {
      edit.set(i, safe);
    }
  }
  write_descriptions(*transaction, *message, edit);
  answer(*transaction, edit.finish(), !message->is_provisional(), out);
}

void Relay::write_descriptions(const Transaction& transaction, const Message& answer,
                               Editor& edit) const {
  const About& about = transaction.about;
  const Gateway& gateway = *gateways_.find(about.gateway);
  const IpAddress shown = shown_to(transaction.from);
  const Connection* connection = about.media
                                     ? connections_.find(about.media)
                                     : connections_.find(gateway.id, about.local, about.connection);
  const auto& descriptions = answer.descriptions();
  for (std::size_t i = 0; i < descriptions.size(); ++i) {
    // RFC 3435 2.3.9, 3.4: of two the local one comes first; one alone is the one asked for.
    const bool is_remote =
        about.verb == Verb::Aucx && (i == 1 || (about.asks_remote && !about.asks_local));
    std::string text;
    if (is_remote && connection != nullptr && !connection->far_text.empty())
      text = connection->far_text;  // as the call agent told it
    else if (!is_remote && connection != nullptr)
      text = connections_.shown_to_call_agent(*connection, descriptions[i]);
    else
      text = connections_.shown_to_call_agent(Connection{.far = {.shown = shown}}, descriptions[i]);
    edit.set_description(i, without_addresses(text, gateway, shown));
  }
}

// ---- Of a call agent ----

void Relay::from_call_agent(Transaction& transaction, const Message& message, Commands& out) {
  Gateway* gateway = gateways_.find(transaction.about.gateway);
  if (gateway == nullptr) return;
  Editor edit{message};
  edit.set_transaction(transaction.theirs);
  for (std::size_t i = 0; i < message.parameters().size(); ++i) {
    const Parameter& each = message.parameters()[i];
    if (!is(each, "N")) continue;
    // RFC 3435 2.3.12: RSIP is answered with the call agent that the endpoint is to turn to.
    if (const auto own = own_name_for(each.value, *gateway)) {
      gateway->notified.set(transaction.about.local, each.value);
      gateways_.store(*gateway, out.wall_now());
      edit.set(i, *own);
    } else {
      edit.remove(i);
    }
  }
  answer(transaction, edit.finish(), !message.is_provisional(), out);
}

}  // namespace sallyport::adapter::mgcp
