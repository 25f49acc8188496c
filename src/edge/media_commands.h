// What the edge's thread and the media threads tell each other, as values in two queues for each of
// them (edge/media_thread.h).
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "media/relay.h"
#include "net/udp_batch.h"

namespace sallyport::edge {

struct MediaTotals {
  media::Totals relay;
  net::UdpCounts udp;
  std::uint64_t missed = 0;  // came at X and Y faster than they were read: the kernel dropped them
  std::size_t ends = 0;      // ports and flows
  std::size_t trunks = 0;
  std::size_t offloaded = 0;        // directions that the kernel relays
  std::uint64_t lost_messages = 0;  // events that the edge's thread did not take in time
  MediaTotals& operator+=(const MediaTotals& more) {
    relay += more.relay;
    udp += more.udp;
    missed += more.missed;
    ends += more.ends;
    trunks += more.trunks;
    offloaded += more.offloaded;
    lost_messages += more.lost_messages;
    return *this;
  }
};

// ---- What the edge's thread orders ----
struct AddPort {
  media::MediaId id;
  std::vector<media::SocketId> ids;
  std::vector<std::unique_ptr<net::UdpBatch>> sockets;
  std::uint8_t dscp = 0;
};
struct AddFlow {
  media::MediaId id;
  media::FlowSpec spec;
  std::vector<media::SocketId> ids;
  std::vector<std::unique_ptr<net::UdpBatch>> sockets;
};
struct AddTrunk {
  media::MediaId id;
  media::TrunkSpec spec;
  std::vector<media::SocketId> ids;
  std::vector<std::unique_ptr<net::UdpBatch>> sockets;
};
struct InstallKeys {
  media::KeyRingId ring;
  media::KeysOfConnection keys;
};
struct ForgetKeys {
  media::KeyRingId ring;
};
struct SetRemote {
  media::MediaId id;
  media::RemoteSpec remote;
};
// A flow with that token is at that core, not where it would be looked for.
struct Redirect {
  media::Token token{};
  media::Core core = 0;
};
// Where an end lives.
struct Home {
  media::MediaId id;
  media::Core core = 0;
};
// To another core, with their sockets: one end, or two that are joined.
struct HandOver {
  std::vector<media::MediaId> ids;
  std::vector<media::SocketId> sockets;
  media::Core to = 0;
};
struct Join {
  Home a;
  Home b;
};
struct Leave {
  media::MediaId id;
};
struct Replace {
  Home old;
  Home by;
  Home partner;  // what `old` is joined to
  media::ReplaceStep step = media::ReplaceStep::Receive;
};
struct Probe {
  media::MediaId id;
};
struct Close {
  media::MediaId id;
  std::vector<media::SocketId> sockets;
  std::vector<media::Token> tokens;
};
struct Count {
  media::MediaId id;
  std::uint64_t request = 0;
};
struct CountTotals {
  std::uint64_t request = 0;
};
struct PathChanged {};
struct Stop {};
using MediaCommand =
    std::variant<Stop, AddPort, AddFlow, AddTrunk, InstallKeys, ForgetKeys, Redirect, HandOver,
                 SetRemote, Join, Leave, Replace, Probe, Close, Count, CountTotals, PathChanged>;

// ---- What the media thread tells ----
struct Happened {
  media::MediaId id;
  media::Event event;
};
struct Counted {
  std::uint64_t request = 0;
  media::Counts counts;
};
struct CountedTotals {
  std::uint64_t request = 0;
  MediaTotals totals;
};
struct HandedOver {  // they are here now
  std::vector<media::MediaId> ids;
};
using MediaMessage = std::variant<Happened, Counted, CountedTotals, HandedOver>;

}  // namespace sallyport::edge
