#include "control/events.h"

#include "control/values.h"

namespace sallyport::control {
namespace {

using edge::ConnectionId;
using edge::ListenerId;
using edge::QueryId;
using media::MediaId;

constexpr std::size_t kMaxRecords = 256;

Result<void> apply(const wire::Resolved& from, edge::Observer& observer) {
  if (static_cast<std::size_t>(from.records_size()) > kMaxRecords)
    return fail(Errc::BadValue, "too many DNS records");
  std::vector<edge::Record> records;
  for (const wire::Record& record : from.records()) {
    auto value = decode(record);
    if (!value) return tl::make_unexpected(value.error());
    records.push_back(std::move(*value));
  }
  observer.on_resolved(QueryId{from.id()}, records);
  return {};
}

Result<void> apply(const wire::MediaEvent& from, edge::Observer& observer) {
  if (from.kind() < wire::MediaEvent::FLOW_BOUND || from.kind() > wire::MediaEvent::ANSWERED)
    return {};  // an event that a later version tells: nothing depends on it
  const auto source = decode(from.source());
  if (!source) return tl::make_unexpected(source.error());
  if (from.component() >= media::kMaxComponents) return fail(Errc::BadValue, "media component");
  observer.on_media_event(MediaId{from.id()},
                          {.kind = static_cast<media::EventKind>(from.kind()),
                           .component = static_cast<std::uint8_t>(from.component()),
                           .source = *source});
  return {};
}

Result<void> apply(const wire::MediaCounts& from, edge::Observer& observer) {
  if (static_cast<std::size_t>(from.components_size()) > media::kMaxComponents)
    return fail(Errc::BadValue, "too many media components");
  media::Counts counts;
  for (const wire::ComponentCounts& each : from.components())
    counts.components.push_back(decode(each));
  observer.on_media_counts(QueryId{from.query()}, MediaId{from.id()}, counts);
  return {};
}

}  // namespace

wire::Envelope encode_listening(ListenerId id, const TransportAddress& local) {
  wire::Envelope out;
  out.mutable_listening()->set_id(id.value);
  encode(local, *out.mutable_listening()->mutable_local());
  return out;
}

wire::Envelope encode_closed(ConnectionId id, const Error& why) {
  wire::Envelope out;
  out.mutable_closed()->set_id(id.value);
  out.mutable_closed()->set_code(static_cast<std::uint32_t>(why.code));
  out.mutable_closed()->set_what(std::string{why.what});
  return out;
}

wire::Envelope encode_resolved(QueryId id, const std::vector<edge::Record>& records) {
  wire::Envelope out;
  out.mutable_resolved()->set_id(id.value);
  for (const edge::Record& record : records) {
    if (static_cast<std::size_t>(out.resolved().records_size()) == kMaxRecords) break;
    encode(record, *out.mutable_resolved()->add_records());
  }
  return out;
}

wire::Envelope encode_local_address(QueryId id, const IpAddress& local) {
  wire::Envelope out;
  out.mutable_local_address()->set_id(id.value);
  out.mutable_local_address()->set_local(encode(local));
  return out;
}

wire::Envelope encode_media_opened(MediaId id, const std::vector<TransportAddress>& addresses) {
  wire::Envelope out;
  out.mutable_media_opened()->set_id(id.value);
  encode_all(addresses, *out.mutable_media_opened()->mutable_addresses());
  return out;
}

wire::Envelope encode_media_event(MediaId id, const media::Event& event) {
  wire::Envelope out;
  wire::MediaEvent& to = *out.mutable_media_event();
  to.set_id(id.value);
  to.set_kind(static_cast<wire::MediaEvent::Kind>(event.kind));
  to.set_component(event.component);
  encode(event.source, *to.mutable_source());
  return out;
}

wire::Envelope encode_media_counts(QueryId query, MediaId id, const media::Counts& counts) {
  wire::Envelope out;
  wire::MediaCounts& to = *out.mutable_media_counts();
  to.set_query(query.value);
  to.set_id(id.value);
  for (const media::ComponentCounts& each : counts.components) encode(each, *to.add_components());
  return out;
}

wire::Envelope encode_tls_started(ConnectionId id, const edge::Addresses& addresses) {
  wire::Envelope out;
  out.mutable_tls_started()->set_id(id.value);
  encode(addresses.local, *out.mutable_tls_started()->mutable_local());
  encode(addresses.remote, *out.mutable_tls_started()->mutable_remote());
  return out;
}

wire::Envelope encode_refused(std::uint64_t id, Errc code, const std::string& what) {
  wire::Envelope out;
  out.mutable_refused()->set_id(id);
  out.mutable_refused()->set_code(static_cast<std::uint32_t>(code));
  out.mutable_refused()->set_what(what);
  return out;
}

Result<TransportAddress> decode_listening(const wire::Envelope& message) {
  return decode(message.listening().local());
}

Result<void> apply_event(const wire::Envelope& message, edge::Observer& observer) {
  switch (message.body_case()) {
    case wire::Envelope::kListening: {
      const auto local = decode_listening(message);
      if (!local) return tl::make_unexpected(local.error());
      observer.on_listening(ListenerId{message.listening().id()}, *local);
      return {};
    }
    case wire::Envelope::kClosed:
      observer.on_closed(ConnectionId{message.closed().id()},
                         Error{decode_code(message.closed().code()), "closed at the other edge"});
      return {};
    case wire::Envelope::kResolved:
      return apply(message.resolved(), observer);
    case wire::Envelope::kLocalAddress: {
      const auto local = decode_ip(message.local_address().local());
      if (!local) return tl::make_unexpected(local.error());
      observer.on_local_address(QueryId{message.local_address().id()}, *local);
      return {};
    }
    case wire::Envelope::kMediaOpened: {
      const auto addresses = decode_all(message.media_opened().addresses(), media::kMaxComponents);
      if (!addresses) return tl::make_unexpected(addresses.error());
      observer.on_media_opened(MediaId{message.media_opened().id()}, *addresses);
      return {};
    }
    case wire::Envelope::kMediaEvent:
      return apply(message.media_event(), observer);
    case wire::Envelope::kMediaCounts:
      return apply(message.media_counts(), observer);
    case wire::Envelope::kRefused:
      observer.on_refused(message.refused().id(), decode_code(message.refused().code()),
                          message.refused().what());
      return {};
    case wire::Envelope::kTlsStarted: {
      const auto local = decode(message.tls_started().local());
      const auto remote = decode(message.tls_started().remote());
      if (!local || !remote) return fail(Errc::BadValue, "address of a connection");
      observer.on_connected(ConnectionId{message.tls_started().id()},
                            {.local = *local, .remote = *remote});
      return {};
    }
    default:
      return fail(Errc::Unsupported, "not an event");
  }
}

}  // namespace sallyport::control
