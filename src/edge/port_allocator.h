// Which ports of the media range are free. Ports are handed out at random, so that a stranger
// cannot guess the next call's; a port that was given back rests before it is used again, so that a
// late packet of an old call is not heard in a new one. Owned by MediaThread, on the edge's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "media/plane.h"

namespace sallyport::edge {

constexpr Duration kPortQuarantine = std::chrono::seconds{30};

class PortAllocator {
 public:
  // Binds the port's sockets, `components` of them from `first` on. Exhausted: another program has
  // one of these ports, so the next is tried; any other error ends the search.
  using Bind = std::function<Result<void>(std::uint16_t first)>;

  // The range is that of each local address by itself.
  PortAllocator(media::PortRange range, Random& random, Duration quarantine = kPortQuarantine);

  // The port, or the even one of a pair when `components` is 2 (RFC 3550 section 11). Exhausted
  // when all are in use, at rest or another program's; otherwise what `bind` said.
  Result<std::uint16_t> take(const IpAddress& local, unsigned components, TimePoint now,
                             const Bind& bind);
  void give_back(const IpAddress& local, std::uint16_t first, unsigned components, TimePoint now);

 private:
  // For each port of the range the time from which it is free; the far end of time while it is in
  // use. No timer: a port at rest is found to be free when it is looked at.
  using Ports = std::vector<TimePoint>;

  bool free(const Ports& ports, std::size_t at, unsigned components, TimePoint now) const;
  static void mark(Ports& ports, std::size_t at, unsigned components, TimePoint free_from);

  media::PortRange range_;
  Random& random_;
  Duration quarantine_;
  std::unordered_map<IpAddress, Ports> by_address_;
};

}  // namespace sallyport::edge
