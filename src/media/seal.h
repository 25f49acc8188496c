// Sealing: AEAD over each datagram between agent and server, whatever the terminals do. A sealing
// context is one key with one counter, which only rises; there is one for each TLS connection of
// the multiplex, direction, and sending core. Its key and iv come from a secret that both ends
// export from that connection (docs/SECURITY.md says why no nonce recurs):
//
//   secret    TLS exporter, label kMediaExporterLabel, empty context, 32 octets
//   key, iv   HKDF-Expand (RFC 5869, SHA-256) of it, with
//             "sallyport media 1" | direction (1) | core (1) | algorithm (1)
//   nonce     iv XOR counter (64 bits, right-aligned)
//
// A context of OpenSSL is made once with its key: sealing and opening allocate nothing. Used by
// KeyRing, on the relay's thread.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "media/replay_window.h"
#include "media/tagged.h"

namespace sallyport::media {

constexpr std::string_view kMediaExporterLabel = "EXPORTER-sallyport-media";
using MediaSecret = std::array<std::uint8_t, 32>;

enum class SealAlgorithm : std::uint8_t { Aes128Gcm = 1, ChaCha20Poly1305 = 2 };
enum class Direction : std::uint8_t { AgentToServer = 0, ServerToAgent = 1 };
constexpr Direction opposite(Direction of) {
  return of == Direction::AgentToServer ? Direction::ServerToAgent : Direction::AgentToServer;
}
// Whether this host's processor has instructions for AES and for GCM's multiplication.
bool has_fast_aes();

// What keys one sealing context.
struct SealKey {
  std::array<std::uint8_t, 32> key{};  // AES-128: the first 16
  std::array<std::uint8_t, 12> iv{};
};
SealKey derive(const MediaSecret& secret, Direction direction, std::uint8_t core,
               SealAlgorithm algorithm);

struct CipherContext;  // OpenSSL's
struct CipherContextDeleter {
  void operator()(CipherContext* context) const;
};
using CipherContextPtr = std::unique_ptr<CipherContext, CipherContextDeleter>;

class Sealer {
 public:
  Sealer(const SealKey& key, SealAlgorithm algorithm);

  // `payload` has kSealedHeader writable octets before it and kSealTag behind. The result is the
  // whole datagram. `header.counter` is filled in.
  MutableBytes seal(SealedHeader header, MutableBytes payload);

 private:
  CipherContextPtr cipher_;
  std::array<std::uint8_t, 12> iv_;
  std::uint64_t counter_ = 0;  // of the next datagram
};

class Opener {
 public:
  Opener(const SealKey& key, SealAlgorithm algorithm);

  enum class Outcome : std::uint8_t { Opened, Replayed, BadTag };
  struct Result {
    Outcome outcome = Outcome::BadTag;
    MutableBytes payload{};
  };
  // Of a datagram that parse_sealed_header() has accepted. Works in place; what fails is destroyed.
  Result open(const SealedHeader& header, MutableBytes datagram);

 private:
  CipherContextPtr cipher_;
  std::array<std::uint8_t, 12> iv_;
  ReplayWindow window_;
};

}  // namespace sallyport::media
