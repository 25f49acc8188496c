// The components of tagged flows: which channel of which trunk each has. Found by trunk and channel
// in constant time. Used by Relay, on its thread.
#pragma once

#include <vector>

#include "base/result.h"
#include "media/media.h"
#include "media/meter.h"
#include "media/place_index.h"
#include "media/rtp_compression.h"

namespace sallyport::media {

struct TaggedComponent {
  static constexpr std::uint32_t kNoTrunk = 0xffffffff;

  std::uint32_t trunk = kNoTrunk;  // the relay's number for it; none: it has been closed
  Channel channel = kNoChannel;
  std::uint32_t end = 0;  // the relay's, as is all that follows
  std::uint8_t component = 0;
  std::uint8_t next_part = 0;  // number of the next packet that is sent in two parts
  bool used = false;
  Meter meter;
  RtpCompressor compressor;
  RtpDecompressor decompressor;
};

class ChannelTable {
 public:
  using Place = std::uint32_t;

  explicit ChannelTable(std::uint64_t seed) : seed_(seed) {}

  // BadValue when the channel is no flow's or in use in that trunk.
  Result<Place> add(std::uint32_t trunk, Channel channel, std::uint32_t end,
                    std::uint8_t component) {
    if (!is_of_a_flow(channel)) return fail(Errc::BadValue, "a channel that is no flow's");
    if (find(trunk, channel) != PlaceIndex::kNone)
      return fail(Errc::BadValue, "channel in use in this trunk");
    if (free_.empty()) {
      free_.push_back(static_cast<Place>(components_.size()));
      components_.emplace_back();
      index_.reserve(components_.size());
      free_.reserve(components_.capacity());
    }
    const Place place = free_.back();
    free_.pop_back();
    TaggedComponent& it = components_[place];
    it = {};
    it.trunk = trunk;
    it.channel = channel;
    it.end = end;
    it.component = component;
    it.used = true;
    index_.insert(hash(trunk, channel), place);
    return place;
  }
  void remove(Place place) {
    detach(place);
    components_[place] = {};
    free_.push_back(place);
  }
  // Its trunk is gone; the component stays until it is removed.
  void detach(Place place) {
    TaggedComponent& it = components_[place];
    if (it.trunk == TaggedComponent::kNoTrunk) return;
    index_.erase(hash(it.trunk, it.channel), place);
    it.trunk = TaggedComponent::kNoTrunk;
  }

  Place find(std::uint32_t trunk, Channel channel) const {
    return index_.find(hash(trunk, channel), [&](Place place) {
      const TaggedComponent& it = components_[place];
      return it.trunk == trunk && it.channel == channel;
    });
  }
  TaggedComponent& operator[](Place place) { return components_[place]; }
  const TaggedComponent& operator[](Place place) const { return components_[place]; }
  std::size_t places() const { return components_.size(); }

 private:
  std::uint32_t hash(std::uint32_t trunk, Channel channel) const {
    return static_cast<std::uint32_t>(mix(seed_ ^ (std::uint64_t{trunk} << 16U | channel)));
  }

  std::uint64_t seed_;
  std::vector<TaggedComponent> components_;
  std::vector<Place> free_;
  PlaceIndex index_;
};

}  // namespace sallyport::media
