#include "edge/port_allocator.h"

#include <algorithm>

namespace sallyport::edge {

PortAllocator::PortAllocator(media::PortRange range, Random& random, Duration quarantine)
    : range_(range), random_(random), quarantine_(quarantine) {}

Result<std::uint16_t> PortAllocator::take(const IpAddress& local, unsigned components,
                                          TimePoint now, const Bind& bind) {
  const std::size_t size =
      range_.last < range_.first ? 0 : std::size_t{range_.last} - range_.first + 1;
  Ports& ports = by_address_[local];
  ports.resize(size);  // new ones: free since ever

  // Every pair begins with an even port, wherever the range begins.
  const unsigned step = components == 2 ? 2 : 1;
  const std::size_t first = components == 2 ? range_.first % 2U : 0;
  const std::size_t places = size < first ? 0 : (size - first) / step;
  if (places == 0) return fail(Errc::Exhausted, "no port in the media range");

  // From a random place on: a few tries as long as the range is not nearly full.
  const std::size_t start = random_.below(places);
  for (std::size_t i = 0; i < places; ++i) {
    const std::size_t at = first + (start + i) % places * step;
    if (!free(ports, at, components, now)) continue;
    const auto port = static_cast<std::uint16_t>(range_.first + at);
    const auto bound = bind(port);
    if (bound) {
      mark(ports, at, components, TimePoint::max());
      return port;
    }
    if (bound.error().code != Errc::Exhausted) return tl::make_unexpected(bound.error());
    mark(ports, at, components, now + quarantine_);  // another program's; look again later
  }
  return fail(Errc::Exhausted, "no free port in the media range");
}

void PortAllocator::give_back(const IpAddress& local, std::uint16_t first, unsigned components,
                              TimePoint now) {
  const auto it = by_address_.find(local);
  if (it == by_address_.end()) return;
  mark(it->second, std::size_t{first} - range_.first, components, now + quarantine_);
}

bool PortAllocator::free(const Ports& ports, std::size_t at, unsigned components,
                         TimePoint now) const {
  const auto begin = ports.begin() + static_cast<std::ptrdiff_t>(at);
  return std::all_of(begin, begin + components, [&](TimePoint from) { return from <= now; });
}

void PortAllocator::mark(Ports& ports, std::size_t at, unsigned components, TimePoint free_from) {
  std::fill_n(ports.begin() + static_cast<std::ptrdiff_t>(at), components, free_from);
}

}  // namespace sallyport::edge
