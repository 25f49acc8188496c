// Tokens and keys of flows. A token says which flow a probe is for, a key proves that the prober
// was told so over the control channel: both are 128 random bits, never used again, and never
// written to a log. Made by the side that commands (brain), used by both relays.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/random.h"
#include "media/media.h"

namespace sallyport::media {

FlowComponent new_flow_component(Random& random);

// A tag over messages of one flow: HMAC-SHA256 (RFC 2104, RFC 6234), its first 16 octets. One
// object for each relay: it keeps OpenSSL's algorithm and context.
class TagMaker {
 public:
  using Tag = std::array<std::uint8_t, 16>;

  TagMaker();
  TagMaker(const TagMaker&) = delete;
  TagMaker& operator=(const TagMaker&) = delete;
  ~TagMaker();

  Tag make(const FlowKey& key, Bytes message);
  bool verify(const FlowKey& key, Bytes message, const Tag& tag);  // in constant time

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace sallyport::media
