// Where a call goes whose callee is no terminal of ours: the static routes (by number prefix or by
// domain) and what is allowed beside them. Protocol-neutral: SIP asks with what a URI says, H.323
// with a dialled number. Never an open relay: what comes from outside reaches our own terminals
// only. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter.h"
#include "edge/edge.h"

namespace sallyport::brain {

// A provider, PBX, gatekeeper or call agent; found by that place's DNS if `host` is a name.
struct Upstream {
  std::string host;        // name, IPv4, or IPv6 without brackets
  std::uint16_t port = 0;  // 0: what DNS says, else the protocol's default
  std::optional<edge::Transport> transport;
  adapter::Place place;  // outside by default
  friend bool operator==(const Upstream&, const Upstream&) = default;
};

// Selects by domain and number together. Domain: "example.net", "*.example.net" for every name
// below it, or empty for our own domains and mere numbers. Prefix: a number's beginning ("+49",
// "0"), or empty for any callee.
struct StaticRoute {
  std::string domain;
  std::string prefix;
  std::vector<Upstream> upstreams;  // the next when one is unavailable; all at one place
};

enum class RouteKind : std::uint8_t {
  Upstream,   // to `upstreams`
  Dns,        // a foreign domain, reached as its DNS says
  Unknown,    // our domain or a number, and nobody there
  Forbidden,  // a foreign domain, and not allowed
};
struct Route {
  RouteKind kind = RouteKind::Unknown;
  std::vector<Upstream> upstreams;
};

// A number as it is compared: an optional + and digits, visual separators (RFC 3966 5.1.1) and
// parameters taken off. Nothing if it is no number: only digits match prefixes.
std::optional<std::string> as_number(std::string_view dialled);

class Routing {
 public:
  struct Config {
    std::vector<StaticRoute> routes;
    bool allow_dns = false;  // calls from inside to foreign domains
  };

  explicit Routing(Config config);

  // `domain` empty: the callee is in a domain of ours (or a mere number), and is not registered.
  // The domain itself goes before a pattern, then the longer pattern, then the longer prefix, then
  // the order of the configuration.
  Route find(std::string_view user, std::string_view domain, adapter::Place from) const;

 private:
  Config config_;
};

}  // namespace sallyport::brain
