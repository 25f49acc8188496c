// An agent's end of a sealed trunk: its channels are streams of the generator. What it does with a
// datagram is what the product does (media/key_ring.h, media/tagged.h); it puts nothing together
// and compresses nothing, and of what comes it takes whole packets only, which is all that a server
// sends that does not compress either. Used by Flows.
#pragma once

#include <unordered_map>

#include "load/generator.h"
#include "media/key_ring.h"

namespace sallyport::bench {

class TrunkEnd final : public Wrapping {
 public:
  explicit TrunkEnd(media::KeyRing& ring) : ring_(ring) {}

  void add(media::Channel channel, std::size_t stream);
  void remove(std::size_t stream);

  Bytes wrap(std::size_t stream, MutableBytes packet) override;
  bool unwrap(MutableBytes datagram, const Each& each) override;

 private:
  static_assert(kBefore >= media::kSealedHeader && kBehind >= media::kSealTag);

  void deliver(media::Channel channel, Bytes packet, const Each& each) const;

  media::KeyRing& ring_;
  std::unordered_map<media::Channel, std::size_t> streams_;
  std::unordered_map<std::size_t, media::Channel> channels_;
};

}  // namespace sallyport::bench
