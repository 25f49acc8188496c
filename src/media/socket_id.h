// How the relay names a UDP socket of its owner: a small number, since the relay indexes by it. The
// owner may use a number again once nothing in the relay uses it.
#pragma once

#include "base/ids.h"

namespace sallyport::media {

using SocketId = Id<struct SocketTag, std::uint32_t>;  // 1 to kMaxSockets - 1
constexpr std::uint32_t kMaxSockets = 1U << 18U;

}  // namespace sallyport::media
