// What became of the datagrams that a relay was given: every one is counted, under one head.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::media {

// Why a datagram went nowhere: one counter each.
enum class Drop : std::uint8_t {
  Runt,            // empty, or one of ours that ends before its format does
  UnknownSocket,   // the relay does not know this socket (any more)
  UnknownSource,   // data at X or Y from a source that no flow is bound to
  UnknownToken,    // a probe for no flow of ours
  BadTag,          // a probe, confirmation or sealed datagram that the right key did not make
  Replayed,        // one of these that was here before
  Unsupported,     // begins with 4..15, but is no format or version that we know
  WrongSource,     // at a port or probing end, from where nothing is accepted
  Implausible,     // at a port that takes the first plausible source, and this is no such packet
  NoRemote,        // the other end is not told yet where to send to, or is not to send
  NoComponent,     // RTCP toward an end with one component
  Unjoined,        // the end it arrived at leads nowhere
  HeldTooLong,     // waited in vain for a flow to be bound
  NoRoom,          // no place to wait in
  Unsealed,        // in clear on a sealed trunk
  UnknownEpoch,    // sealed with keys that are not here (any more), or there are none to seal with
  UnknownChannel,  // for no flow of this trunk
  NoReference,     // compressed against what did not come
  RateLimited,     // at a port, more than its stream may send
  NotPassed,  // for another core, which is too far behind, or which is not the right one either
};
constexpr std::size_t kDrops = static_cast<std::size_t>(Drop::NotPassed) + 1;
std::string_view name(Drop drop);  // "bad_tag": for metrics and JSON

// What became of all datagrams since the start; of a trunk's, each record in it counts as one:
// received + taken == relayed + handled + sum of drops + waiting + passed.
struct Totals {
  std::uint64_t received = 0;
  std::uint64_t passed = 0;  // to another core (neighbours.h)
  std::uint64_t taken = 0;   // from another core
  std::uint64_t relayed = 0;
  std::uint64_t handled = 0;  // probes, confirmations and the like: for the relay itself
  std::uint64_t waiting = 0;  // now, for a flow to be bound, or for the other part of a packet
  std::uint64_t fast = 0;     // of those received and relayed: by the fast path
  std::array<std::uint64_t, kDrops> drops{};
  std::uint64_t probes_sent = 0;
  std::uint64_t confirmations_sent = 0;
  std::uint64_t probe_pleases_sent = 0;
  std::uint64_t trunk_datagrams_sent = 0;

  std::uint64_t dropped(Drop why) const { return drops.at(static_cast<std::size_t>(why)); }
  Totals& operator+=(const Totals& more);
  friend bool operator==(const Totals&, const Totals&) = default;
};

}  // namespace sallyport::media
