// The keys of one agent's media, at either end: those of the newest TLS connection of its
// multiplex, and for a while those of the one before. Both ends take new keys for receiving as soon
// as they have them. When to send with them is said for each end (KeysOfConnection::send_after):
// the agent has them last, so it may soon; the server waits until something good came under them,
// or long enough. The old ones are dropped some time after the first good datagram under the new.
// Owned by Relay, on its thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/time.h"
#include "media/seal.h"

namespace sallyport::media {

struct KeysOfConnection {
  MediaSecret secret{};
  std::uint64_t connection = 0;  // of the multiplex; its low two bits are the epoch
  SealAlgorithm algorithm = SealAlgorithm::Aes128Gcm;
  Direction sends = Direction::AgentToServer;
};

class KeyRing {
 public:
  static constexpr std::uint8_t kMaxCores = 8;  // sealing contexts of the far end
  static constexpr Duration kAgentSendsAfter = milliseconds{100};
  static constexpr Duration kServerSendsAfter = seconds{1};
  static constexpr Duration kOldLive = seconds{30};

  // `core` names this end's sealing context: which thread of it sends.
  explicit KeyRing(std::uint8_t core = 0) : core_(core) {}

  void install(const KeysOfConnection& keys, TimePoint now);

  // As Sealer::seal(); nothing when there is no key.
  std::optional<MutableBytes> seal(Channel channel, MutableBytes payload, TimePoint now);

  enum class Outcome : std::uint8_t { Opened, UnknownEpoch, Replayed, BadTag };
  struct Opened {
    Outcome outcome = Outcome::UnknownEpoch;
    MutableBytes payload{};
  };
  // As Opener::open().
  Opened open(const SealedHeader& header, MutableBytes datagram, TimePoint now);

 private:
  // The keys of one connection.
  struct Epoch {
    Epoch(const KeysOfConnection& from, std::uint8_t core, TimePoint now);
    KeysOfConnection keys;
    TimePoint send_at;  // or once heard
    std::optional<TimePoint> heard;
    Sealer sealer;
    std::array<std::unique_ptr<Opener>, kMaxCores> openers;  // by the far end's core
  };
  static constexpr std::uint8_t kNone = 0xff;

  void drop_old(TimePoint now);

  std::uint8_t core_;
  std::array<std::unique_ptr<Epoch>, 4> epochs_;
  std::uint8_t newest_ = kNone;
  std::uint8_t sending_ = kNone;
  bool has_old_ = false;
};

}  // namespace sallyport::media
