// The master's half of the control protocol: edge commands as messages, and messages as calls of an
// edge. Signalling octets do not pass here: they travel in logical channels of their own (send,
// send_datagram and half_close have no message).
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "edge/edge.h"

namespace sallyport::control {

namespace wire {
class Envelope;
}

wire::Envelope encode_listen(edge::ListenerId id, const edge::ListenSpec& spec);
wire::Envelope encode_connect(edge::ConnectionId id, const edge::ConnectSpec& spec);
wire::Envelope encode_start_tls(edge::ConnectionId id, const edge::TlsSpec& spec, bool as_server);
wire::Envelope encode_pause_reading(edge::ConnectionId id, bool paused);
wire::Envelope encode_set_dscp(edge::ConnectionId id, edge::Dscp dscp);
wire::Envelope encode_close(edge::ConnectionId id);
wire::Envelope encode_close(edge::ListenerId id);
wire::Envelope encode_close(media::MediaId id);
wire::Envelope encode_resolve(edge::QueryId id, const std::string& name, edge::RecordType type);
wire::Envelope encode_find_local_address(edge::QueryId id, const IpAddress& toward);
wire::Envelope encode_open_port(media::MediaId id, const media::PortSpec& spec);
wire::Envelope encode_open_flow(media::MediaId id, const media::FlowSpec& spec);
wire::Envelope encode_open_trunk(media::MediaId id, const media::TrunkSpec& spec);
wire::Envelope encode_set_remote(media::MediaId id, const media::RemoteSpec& remote);
wire::Envelope encode_join(media::MediaId a, media::MediaId b);
wire::Envelope encode_leave(media::MediaId id);
wire::Envelope encode_replace(media::MediaId old, media::MediaId by, media::ReplaceStep step);
wire::Envelope encode_probe(media::MediaId id);
wire::Envelope encode_count(edge::QueryId query, media::MediaId id);

// Carries out the command that the message holds. Unsupported when it holds none; BadValue when it
// holds a value that is none. `acted` counts are the edge's own business.
Result<void> apply_command(const wire::Envelope& message, edge::Edge& edge);

}  // namespace sallyport::control
