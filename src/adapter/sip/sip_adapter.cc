#include "adapter/sip/sip_adapter.h"

#include <utility>

namespace sallyport::adapter::sip {

SipAdapter::SipAdapter(Config config, RegisterHandler& registrar, Routing& routing, Random& random,
                       Log& log)
    : config_(std::move(config)),
      registrar_(registrar),
      refusals_(config_.limits.upstreams, counters_, log),
      guard_(config_.limits, "sip", log),
      transport_(config_, guard_, timers_, counters_, log),
      transactions_(config_, guard_, transport_, timers_, random, counters_),
      locator_(config_, transport_, random),
      requester_(locator_, transactions_, transport_, timers_, counters_),
      topology_(config_),
      stack_{config_, transport_, transactions_, requester_, topology_,
             timers_, random,     counters_,     log,        refusals_},
      relay_(stack_, locator_, topology_, routing) {
  transport_.set_user(*this);
  transactions_.set_user(*this);
  registrar_.on_start(stack_);
}

std::size_t SipAdapter::size() {
  return transactions_.size() + locator_.size() + requester_.size() + relay_.size() +
         timers_.size();
}

// ---- from the brain ----

void SipAdapter::on_edge_up(Place place, const std::string& name, Commands& out) {
  if (!place.is_outside()) refusals_.on_edge_up(place, name);
  transport_.on_edge_up(place, out);
  registrar_.on_edge_up(place, name, out);
}

void SipAdapter::on_edge_lost(Place place, Commands& out) {
  if (journal_ != nullptr) journal_->on_edge_lost(place);
  transport_.on_edge_lost(place, out);
  locator_.on_edge_lost(place, out);
  transactions_.on_edge_lost(place, out);
  relay_.on_edge_lost(place, out);
  registrar_.on_edge_lost(place, out);
  topology_.forget(place);
  refusals_.on_edge_lost(place);
}

void SipAdapter::on_listening(Place place, edge::ListenerId id, const TransportAddress& local,
                              Commands& out) {
  transport_.on_listening(place, id, local);
  end_left_over(place, out);
}

// The parties of a call that nobody carries any more are told. Datagrams need the listener that
// they leave from; connections are dialled.
void SipAdapter::end_left_over(Place place, Commands& out) {
  if (journal_ == nullptr) return;
  std::vector<LastWord>& words = left_over_[place];
  for (LastWord& word : journal_->take_left_over(place)) words.push_back(std::move(word));
  std::erase_if(words, [&](const LastWord& word) {
    if (word.to.transport == edge::Transport::Udp &&
        transport_.shown_address(place, word.to.transport, word.to.remote.ip).port == 0)
      return false;
    stack_.log.info("call left over ended", {{"agent", place.agent.value}});
    relay_.say(word, out);
    return true;
  });
}

void SipAdapter::on_datagram(Place place, edge::ListenerId id, const edge::Addresses& addresses,
                             Bytes datagram, Commands& out) {
  transport_.on_datagram(place, id, addresses, datagram, out);
}

void SipAdapter::on_accepted(Place place, edge::ListenerId id, edge::ConnectionId connection,
                             const edge::Arrival& arrival, Commands& out) {
  transport_.on_accepted(place, id, connection, arrival, out);
}

void SipAdapter::on_connected(Place place, edge::ConnectionId id, const edge::Addresses& addresses,
                              Commands& out) {
  transport_.on_connected(place, id, addresses, out);
}

void SipAdapter::on_received(Place place, edge::ConnectionId id, Bytes octets, Commands& out) {
  transport_.on_received(place, id, octets, out);
}

void SipAdapter::on_half_closed(Place place, edge::ConnectionId id, Commands& out) {
  transport_.on_half_closed(place, id, out);
}

void SipAdapter::on_closed(Place place, edge::ConnectionId id, const Error& why, Commands& out) {
  transport_.on_closed(place, id, why.code, out);
}

void SipAdapter::on_resolved(Place place, edge::QueryId id,
                             const std::vector<edge::Record>& records, Commands& out) {
  locator_.on_resolved(place, id, records, out);
}

void SipAdapter::on_local_address(Place place, edge::QueryId id, const IpAddress& local,
                                  Commands& out) {
  locator_.on_local_address(place, id, local, out);
}

void SipAdapter::on_refused(Place place, std::uint64_t id, Errc code, const std::string& what,
                            Commands& out) {
  if (!transport_.on_refused(place, id, code, what, out)) locator_.on_refused(id, out);
}

void SipAdapter::on_timer(TimerId id, Commands& out) { timers_.on_timer(id, out); }

void SipAdapter::on_shutdown(Commands& out) { relay_.end_all(out); }

// ---- from the transport ----

void SipAdapter::on_message(const wire::Message& message, const Hop& from, Commands& out) {
  transactions_.on_message(message, from, out);
}

void SipAdapter::on_malformed(const wire::Message& head, std::string_view what, const Hop& from,
                              Commands& out) {
  transactions_.on_malformed(head, {Errc::BadValue, what}, from, out);
}

void SipAdapter::on_connection_closed(Place place, edge::ConnectionId id, Commands& out) {
  transactions_.on_connection_closed(id, out);
  registrar_.on_connection_closed(place, id, out);
}

// ---- from the transactions ----

void SipAdapter::on_request(ServerId id, const wire::Message& request, const Hop& from,
                            Commands& out) {
  if (request.method() == wire::Method::Register)
    return registrar_.on_register(id, request, from, out);
  relay_.on_request(id, request, from, out);
}

void SipAdapter::on_ack(const wire::Message& ack, const Hop& from, Commands& out) {
  relay_.on_ack(ack, from, out);
}

void SipAdapter::on_cancel(ServerId id, const wire::Message& cancel, Commands& out) {
  relay_.on_cancel(id, cancel, out);
}

void SipAdapter::on_registered(const wire::Message& request, const Hop& from, Commands& /*out*/) {
  relay_.on_registered(request, from);
}

void SipAdapter::on_unacknowledged(ServerId /*id*/, Commands& /*out*/) {
  // A final refusal that nobody acknowledges concerns nobody any more.
  counters_.add("unacknowledged");
}

}  // namespace sallyport::adapter::sip
