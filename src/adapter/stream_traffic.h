// How much a media stream carries: what it may send, and what has come of several. Shared by the
// protocols.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "adapter/adapter.h"

namespace sallyport::adapter {

// What a stream of which so much was agreed, a second, may send and still be one: four times that,
// and far more than any telephone, since a terminal may change to another codec of the list, or
// send a picture at once.
media::Rate most_of(std::uint64_t packets, std::uint64_t bits);

// How many packets have come at all of these ports together.
void count_packets(const std::vector<MediaId>& ports,
                   std::function<void(std::uint64_t packets, Commands&)> on_count, Commands& out);

}  // namespace sallyport::adapter
