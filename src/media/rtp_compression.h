// Trunk compression: an RTP packet that follows from an earlier one travels with 2 octets instead
// of its 12-octet header. One compressor and one decompressor for each channel and direction.
//
//   reference    | generation (5 bits) | 0 | offset (10 bits) | step (4) | the RTP packet, whole |
//   compressed   | generation (5 bits) | marker (1 bit) | offset (10 bits) | payload ... |
//
// A reference's packet is `offset` packets after the reference point; the sequence number of a
// compressed packet is that of the reference point and its offset, its timestamp that of the
// reference point and offset times step; its SSRC and payload type are the reference's. So any one
// reference of a generation serves for every packet of it, in any order, and a lost datagram costs
// no packet but its own. What does not fit (CSRC, extension, padding, RTCP, another step) goes
// whole.
//
// That no packet comes out other than it went in: a generation's number is used again only when
// kNumberRests has passed since it was given up, and a receiver forgets a reference kReferenceLives
// after it heard it last, so a number never means two references at once, provided that no datagram
// is under way for longer than the difference. Used by Relay, on its thread.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "media/tagged.h"

namespace sallyport::media {

constexpr std::size_t kRtpHeader = 12;
constexpr std::size_t kReferenceHead = 6;
constexpr unsigned kGenerations = 32;
constexpr std::uint16_t kMostOffset = 1023;
constexpr Duration kReferenceLives = seconds{10};
constexpr Duration kNumberRests = seconds{20};

class RtpCompressor {
 public:
  enum class How : std::uint8_t { Whole, Reference, Compressed };
  struct Plan {
    How how = How::Whole;
    std::size_t size = 0;  // of what write() writes; of a compressed packet the payload's
    std::uint16_t head = 0;
    std::uint32_t step = 0;
  };
  // How `packet`, which is sent now, is to travel.
  Plan plan(Bytes packet, TimePoint now);
  // `out` has plan.size octets.
  static void write(const Plan& plan, Bytes packet, MutableBytes out);

 private:
  static constexpr TimePoint kLongAgo{-std::chrono::hours{24}};
  // So often a new reference may be set that its number has rested when it comes round again.
  static constexpr Duration kBetweenReferences =
      kNumberRests / (kGenerations - 1) + milliseconds{1};
  static constexpr Duration kRepeatAfter = seconds{2};

  struct Header {
    bool marker = false;
    std::uint8_t type = 0;
    std::uint16_t sequence = 0;
    std::uint32_t timestamp = 0;
    std::uint32_t ssrc = 0;
  };
  static std::optional<Header> read(Bytes packet);
  std::optional<std::uint16_t> offset_of(const Header& header) const;
  bool learn_step(const Header& header);
  bool is_repeated(TimePoint now) const;

  bool has_last_ = false;
  bool has_reference_ = false;
  bool has_step_ = false;
  Header last_;  // the packet before
  Header point_;
  std::uint32_t step_ = 0;       // of the reference
  std::uint32_t next_step_ = 0;  // of the next one
  std::uint8_t generation_ = 0;
  std::uint32_t sent_ = 0;  // packets since the reference was set
  TimePoint set_at_ = kLongAgo;
  TimePoint referred_at_ = kLongAgo;  // when a reference went out last
};

class RtpDecompressor {
 public:
  // The packet in it; BadValue when it is none that can be referred to.
  Result<MutableBytes> on_reference(MutableBytes body, TimePoint now);
  // Writes the packet into `out` and says its size. NotFound: its generation is not known here (any
  // more). Exhausted: `out` is too small.
  Result<std::size_t> on_compressed(std::uint16_t head, Bytes payload, TimePoint now,
                                    MutableBytes out) const;

 private:
  struct Reference {
    bool valid = false;
    std::uint8_t generation = 0;
    std::uint8_t type = 0;
    std::uint16_t sequence = 0;  // of the reference point
    std::uint32_t timestamp = 0;
    std::uint32_t ssrc = 0;
    std::uint32_t step = 0;
    TimePoint heard;
  };
  // Two: packets of the generation before may come after the first of the next.
  std::array<Reference, 2> references_{};
};

}  // namespace sallyport::media
