// Commands, on their way to a gateway or to a call agent.
#include <algorithm>
#include <utility>

#include "adapter/mgcp/relay.h"
#include "codec/sdp/sdp.h"
#include "codec/text.h"

namespace sallyport::adapter::mgcp {
namespace {

using codec::mgcp::Name;
using codec::mgcp::Parameter;
using codec::mgcp::Verb;

// RFC 3435 2.3: which side may say what. Extension verbs (3.2.1: they begin with X) are passed on
// both ways, like parameters that we do not know. So are restart methods (x-keepalive).
bool is_extension(std::string_view word) {
  return !word.empty() && codec::lower(word.front()) == 'x';
}

bool call_agent_may_say(const codec::mgcp::Message& command) {
  switch (command.verb()) {
    case Verb::Other:
      return is_extension(command.verb_text());
    case Verb::Ntfy:
    case Verb::Rsip:
      return false;
    default:
      return true;
  }
}

bool gateway_may_say(const codec::mgcp::Message& command) {
  switch (command.verb()) {
    case Verb::Ntfy:
    case Verb::Rsip:
    case Verb::Dlcx:
      return true;
    case Verb::Other:
      return is_extension(command.verb_text());
    default:
      return false;
  }
}

bool is(const Parameter& parameter, std::string_view name) {
  return codec::equals_without_case(parameter.name, name);
}

// A list of words ("LC, RC"), without case.
bool lists(std::string_view text, std::string_view word) {
  while (!text.empty())
    if (codec::equals_without_case(codec::trim(codec::take_until(text, ',')), word)) return true;
  return false;
}

std::string at(std::string_view local, std::string_view domain) {
  return std::string{local} + "@" + std::string{domain};
}

}  // namespace

// ---- Of a call agent ----

// Our own address as that gateway sees it, under the local name that the call agent gave itself.
Result<std::string> Relay::own_name_for(std::string_view notified, const Gateway& gateway) const {
  const auto name = Name::parse(notified);
  if (!name) return tl::make_unexpected(name.error());
  if (gateway.local.is_unspecified()) return fail(Errc::Unreachable, "our own address there");
  std::string out = name->local.empty() ? std::string{} : std::string{name->local} + "@";
  out += "[" + gateway.local.to_string() + "]:";
  return out + std::to_string(stack_.port(gateway.place, Face::Gateway));
}

Relay::Progress Relay::to_gateway(const BatchPtr& batch, const Message& command,
                                  Transaction& transaction, Commands& out) {
  const auto refused = [&](Refusal refusal) {
    refuse(transaction, refusal, out);
    return Progress::Done;
  };
  const auto name = Name::parse_endpoint(command.endpoint());
  if (!name) return refused(Refusal::ProtocolError);
  if (!call_agent_may_say(command)) return refused(Refusal::UnknownCommand);
  Gateway* gateway = gateways_.find_shown(name->domain);
  if (gateway == nullptr || !call_agents_.controls(batch->from.hop, *gateway))
    return refused(Refusal::UnknownEndpoint);
  if (out.edge(gateway->place) == nullptr) return refused(Refusal::NotReady);

  Peer to;
  to.hop.place = gateway->place;
  to.hop.remote = gateway->address;
  to.hop.local.ip = gateway->local;
  transaction.to = to;
  About& about = transaction.about;
  about.gateway = gateway->id;
  about.local = name->local;

  Editor edit{command};
  edit.set_transaction(transaction.ours);
  edit.set_endpoint(at(name->local, gateway->domain));
  bool is_between_endpoints = false;
  for (std::size_t i = 0; i < command.parameters().size(); ++i) {
    const Parameter& each = command.parameters()[i];
    if (is(each, "C")) {
      about.call_id = each.value;
    } else if (is(each, "I")) {
      about.connection = each.value;
    } else if (is(each, "F")) {
      about.asks_local = lists(each.value, "LC");
      about.asks_remote = lists(each.value, "RC");
    } else if (is(each, "N")) {
      const auto own = own_name_for(each.value, *gateway);
      if (!own)
        return refused(own.error().code == Errc::Unreachable ? Refusal::NotReady
                                                             : Refusal::ProtocolError);
      about.notified = each.value;
      edit.set(i, *own);
    } else if (is(each, "Z2")) {
      // RFC 3435 2.3.5: the second endpoint is one of the same gateway.
      const auto second = Name::parse_endpoint(each.value);
      if (!second) return refused(Refusal::ProtocolError);
      if (gateways_.find_shown(second->domain) != gateway) return refused(Refusal::UnknownEndpoint);
      is_between_endpoints = true;
      edit.set(i, at(second->local, gateway->domain));
    } else if (is(each, "K")) {
      const auto ranges = codec::mgcp::parse_acknowledged(each.value);
      if (!ranges) return refused(Refusal::ProtocolError);
      const auto ids = transactions_.ours_of(batch->from, *ranges, *transaction.to);
      if (ids.empty())
        edit.remove(i);
      else
        edit.set(i, codec::mgcp::to_text(ids));
    }
  }
  transaction.text = edit.finish();
  const bool has_description = !command.descriptions().empty();
  if ((command.verb() == Verb::Crcx && !is_between_endpoints) ||
      (command.verb() == Verb::Mdcx && has_description))
    return open_media(batch, command, *gateway, transaction, out);
  pass_on(transaction, out);
  return Progress::Done;
}

// The ports come first, so that a connection for which there are none is refused before the gateway
// has made it.
Relay::Progress Relay::open_media(const BatchPtr& batch, const Message& command,
                                  const Gateway& gateway, Transaction& transaction, Commands& out) {
  About& about = transaction.about;
  if (!command.descriptions().empty()) {
    about.description = command.descriptions().front();
    if (!codec::sdp::Description::parse(about.description)) {
      refuse(transaction, Refusal::BadRemoteDescription, out);
      return Progress::Done;
    }
  }
  Connection* connection = nullptr;
  if (command.verb() == Verb::Mdcx)
    connection = connections_.find(gateway.id, about.local, about.connection);
  // Of one that is not known to us (it is older than this process) we take what is told now.
  if (connection == nullptr)
    connection = connections_.begin(gateway, about.local, about.call_id, batch->from.hop, out);
  if (connection == nullptr) {
    refuse(transaction, Refusal::NoResources, out);
    return Progress::Done;
  }
  about.media = connection->number;
  const TransactionId ours = transaction.ours;
  const auto ready = connections_.open(
      *connection, about.description,
      [this, ours, batch](bool ok, Commands& later) {
        on_media_open(ours, ok, later);
        go_on(batch, later);
      },
      out);
  if (ready == Connections::Ready::Later) return Progress::Waits;
  on_media_open(ours, ready == Connections::Ready::Now, out);
  return Progress::Done;
}

void Relay::on_media_open(TransactionId ours, bool ok, Commands& out) {
  Transaction* transaction = transactions_.find_ours(ours);
  if (transaction == nullptr || transaction->answered) return;
  const About& about = transaction->about;
  const Connection* connection = connections_.find(about.media);
  if (!ok || connection == nullptr) {
    if (connection != nullptr && connection->id.empty()) connections_.release(about.media, out);
    return refuse(*transaction, Refusal::NoResources, out);
  }
  const std::string text = std::move(transaction->text);
  const auto command = Message::parse(text);
  if (command && !about.description.empty()) {
    Editor edit{*command};
    edit.set_description(0, connections_.shown_to_gateway(*connection, about.description));
    transaction->text = edit.finish();
  } else {
    transaction->text = text;
  }
  pass_on(*transaction, out);
}

// ---- Of a gateway ----

Relay::Progress Relay::to_call_agent(const BatchPtr& batch, const Message& command,
                                     Transaction& transaction, Commands& out) {
  const auto refused = [&](Refusal refusal) {
    refuse(transaction, refusal, out);
    return Progress::Done;
  };
  const auto name = Name::parse_endpoint(command.endpoint());
  if (!name) return refused(Refusal::ProtocolError);
  if (!gateway_may_say(command)) return refused(Refusal::UnknownCommand);
  const auto heard = gateways_.heard(batch->from.hop, *name, out);
  if (!heard) {
    stack_.counters.add("gateway_not_admitted");
    return refused(heard.error().code == Errc::Exhausted ? Refusal::NoResources
                                                         : Refusal::UnknownEndpoint);
  }
  Gateway& gateway = **heard;
  About& about = transaction.about;
  about.gateway = gateway.id;
  about.local = name->local;
  about.call_id = command.find("C").value_or("");
  about.connection = command.find("I").value_or("");

  if (command.verb() == Verb::Dlcx)
    connections_.release(gateway.id, about.local, about.call_id, about.connection, out);
  if (command.verb() == Verb::Rsip) {
    // RFC 3435 2.3.12: what was connected is not any more; after a restart the endpoint notifies
    // whom it was configured to.
    const std::string_view method = command.find("RM").value_or("");
    const bool restarts = codec::equals_without_case(method, "restart");
    if (restarts || codec::equals_without_case(method, "forced"))
      connections_.release(gateway.id, about.local, {}, {}, out);
    if (restarts) gateway.notified.forget(about.local);
  }
  transaction.text = command.text();  // until it is known where it goes
  const TransactionId ours = transaction.ours;
  // locate() may answer at once or later: only in the second case the rest of the datagram waits.
  struct Course {
    bool at_once = true;
    std::optional<Progress> progress;
  };
  const auto course = std::make_shared<Course>();
  call_agents_.locate(
      gateway, gateway.notified.find(about.local),
      [this, batch, ours, course](const CallAgents::Target& target, Commands& later) {
        const Progress progress = on_target(batch, ours, target, later);
        if (course->at_once)
          course->progress = progress;
        else if (progress == Progress::Done)
          go_on(batch, later);
      },
      out);
  course->at_once = false;
  return course->progress.value_or(Progress::Waits);
}

Relay::Progress Relay::on_target(const BatchPtr& batch, TransactionId ours,
                                 const CallAgents::Target& target, Commands& out) {
  Transaction* transaction = transactions_.find_ours(ours);
  if (transaction == nullptr) return Progress::Done;
  const Gateway* gateway = gateways_.find(transaction->about.gateway);
  if (target.addresses.empty() || gateway == nullptr) {
    // As if the way were broken: the gateway repeats it, and looks for another call agent then.
    stack_.counters.add("call_agent_unreachable");
    return Progress::Done;
  }
  Peer to;
  to.face = Face::CallAgent;
  to.hop.place = target.place;
  to.hop.remote = target.addresses.front();
  transaction->to = to;
  transaction->addresses = target.addresses;

  const std::string text = std::move(transaction->text);
  const auto command = Message::parse(text);
  if (!command) return Progress::Done;
  const std::string& local = transaction->about.local;
  const IpAddress shown = shown_to(to);
  Editor edit{*command};
  edit.set_transaction(ours);
  edit.set_endpoint(at(local, gateway->shown));
  for (std::size_t i = 0; i < command->parameters().size(); ++i) {
    const Parameter& each = command->parameters()[i];
    if (is(each, "N")) {
      edit.set(i, entity_of(*gateway, local));
    } else if (is(each, "K")) {
      const auto ranges = codec::mgcp::parse_acknowledged(each.value);
      const auto ids = ranges ? transactions_.ours_of(transaction->from, *ranges, to)
                              : std::vector<TransactionId>{};
      if (ids.empty())
        edit.remove(i);
      else
        edit.set(i, codec::mgcp::to_text(ids));
    } else if (std::string safe = without_addresses(each.value, *gateway, shown);
               safe != each.value) {
      edit.set(i, safe);
    }
  }
  for (std::size_t i = 0; i < command->descriptions().size(); ++i)
    edit.set_description(i, without_addresses(command->descriptions()[i], *gateway, shown));
  transaction->text = edit.finish();

  if (command->verb() == Verb::Rsip && !is_extension(command->find("RM").value_or(""))) {
    const auto verdict = restarts_.admit(
        to.hop.place, to.hop.remote.ip,
        [this, batch, ours](Commands& later) {
          Transaction* mine = transactions_.find_ours(ours);
          if (mine != nullptr && !mine->answered) pass_on(*mine, later);
          go_on(batch, later);
        },
        out);
    if (verdict == Restarts::Verdict::Waits) return Progress::Waits;
    if (verdict == Restarts::Verdict::Dropped) {
      stack_.counters.add("restart_dropped");
      return Progress::Done;
    }
  }
  pass_on(*transaction, out);
  return Progress::Done;
}

}  // namespace sallyport::adapter::mgcp
