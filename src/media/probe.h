// Probe, confirmation, and "probe please": how a media flow's path is opened, kept open, and moved.
//
// A probe opens the NAT mapping of one component of a flow and says, by its token, which one that
// is. It leaves from the very socket that the media will use, so the source seen on it is the
// source that the media will have (WO 02/45373 p. 24). The server confirms. All integers are in
// network byte order; reserved octets are sent as zero and not looked at; octets after the tag are
// room for a later version and not looked at either. The tag is the first 16 octets of HMAC-SHA256
// with the key of that component over all octets before the tag.
//
//   probe          | 0x08 | version 1 | reserved (2)            | token (16) | counter (8)
//                  | echo (8) | tag (16) |
//   confirmation   | 0x09 | version 1 | status | reserved (1)   | token (16) | counter (8)
//                  | clock or challenge (8) | tag (16) |
//   probe please   | 0x0a | version 1 | reserved (2) |
//
// A probe's counter is above that of every probe that was sent for this component before. A
// confirmation repeats the counter of the probe that it answers, and is as long as the shortest
// probe, so that nobody's probe is answered with more than it was. Status 1: the flow's packets are
// taken from, and sent to, the source of that probe, which came when the clock says
// (path_delay.h). Status 2: not yet; the flow has another source, and moves when a later probe from
// this one has the challenge as its echo. The echo is zero where there is nothing to echo.
//
// Used by FlowTable (reads probes, writes confirmations) and Prober (the other way round). Values
// only.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "media/media.h"
#include "media/token.h"

namespace sallyport::media {

constexpr std::uint8_t kProbeVersion = 1;
constexpr std::size_t kProbeSize = 52;
constexpr std::size_t kProbeSigned = 36;  // what the tag is over
constexpr std::size_t kProbePleaseSize = 4;

using Challenge = std::array<std::uint8_t, 8>;

struct Probe {
  Token token{};
  std::uint64_t counter = 0;
  Challenge echo{};
  TagMaker::Tag tag{};  // not verified by parsing
};

enum class ConfirmationStatus : std::uint8_t { Bound = 1, Challenged = 2 };

struct Confirmation {
  ConfirmationStatus status = ConfirmationStatus::Bound;
  Token token{};
  std::uint64_t counter = 0;
  std::uint64_t clock = 0;  // Bound: of the server, in microseconds; 0: not told
  Challenge challenge{};    // Challenged
  TagMaker::Tag tag{};      // not verified by parsing
};

// Truncated: it ends before the format does. Unsupported: another version, or another status.
Result<Probe> parse_probe(Bytes datagram);
Result<Confirmation> parse_confirmation(Bytes datagram);
Result<void> parse_probe_please(Bytes datagram);

using ProbeDatagram = std::array<std::uint8_t, kProbeSize>;

// The tags in the values are not looked at but made.
ProbeDatagram encode(const Probe& probe, const FlowKey& key, TagMaker& tags);
ProbeDatagram encode(const Confirmation& confirmation, const FlowKey& key, TagMaker& tags);
std::array<std::uint8_t, kProbePleaseSize> encode_probe_please();

// Whether the datagram that `parse_...` has accepted was made with `key`.
inline bool authentic(Bytes datagram, const TagMaker::Tag& tag, const FlowKey& key,
                      TagMaker& tags) {
  return tags.verify(key, datagram.first(kProbeSigned), tag);
}

}  // namespace sallyport::media
