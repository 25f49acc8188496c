#include "agent/way.h"

#include <algorithm>

namespace sallyport::agent {

std::string Way::to_string() const {
  std::string out = server.to_string();
  if (proxy) out += " through proxy " + proxy->address.to_string();
  return out;
}

std::string to_string(const std::vector<WayFailure>& failures) {
  std::string out;
  for (const WayFailure& one : failures)
    out += (out.empty() ? "" : "; ") + one.way.to_string() + ": " + one.what;
  return out;
}

std::vector<Way> Ladder::good_first() const {
  std::vector<Way> out = ways;
  std::rotate(out.begin(), out.begin() + good_end(), out.begin() + good_end() + 1);
  return out;
}

void Ladder::served(const Way& way) {
  good = static_cast<std::size_t>(std::find(ways.begin(), ways.end(), way) - ways.begin());
}

std::vector<Ladder> ladders(const std::vector<HostPort>& servers,
                            const std::optional<HttpProxy>& proxy) {
  std::vector<Ladder> out;
  for (const HostPort& server : servers) {
    const auto same = std::find_if(out.begin(), out.end(), [&server](const Ladder& known) {
      return known.ways.front().server.host == server.host;
    });
    if (same == out.end())
      out.push_back({.ways = {{.kind = mux::WayKind::Direct, .server = server, .proxy = {}}}});
    else
      same->ways.push_back({.kind = mux::WayKind::AlternativePort, .server = server, .proxy = {}});
  }
  if (!proxy) return out;
  const auto shared = std::make_shared<const HttpProxy>(*proxy);
  for (Ladder& ladder : out)
    for (std::size_t i = 0, straight = ladder.ways.size(); i < straight; ++i)
      ladder.ways.push_back(
          {.kind = mux::WayKind::Proxy, .server = ladder.ways[i].server, .proxy = shared});
  return out;
}

}  // namespace sallyport::agent
