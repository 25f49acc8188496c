// The ways by which an agent reaches its server over TCP, best first: straight to port Z, straight
// to another port that the server listens on, or through the site's HTTP proxy to any of them. TLS
// is on top in each case, so nobody on the way learns more than from another way. Values;
// WayFinder dials them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/host_port.h"
#include "codec/http/connect.h"
#include "mux/record.h"

namespace sallyport::agent {

struct HttpProxy {
  HostPort address;
  std::optional<codec::http::Credentials> credentials;
};

struct Way {
  mux::WayKind kind = mux::WayKind::Direct;
  HostPort server;
  std::shared_ptr<const HttpProxy> proxy;  // none: straight

  // "203.0.113.7:443", "server.example.org:2776 through proxy 10.1.1.3:3128"
  std::string to_string() const;
  friend bool operator==(const Way&, const Way&) = default;
};

// Why one of them was not to be had.
struct WayFailure {
  Way way;
  Errc code = Errc::Unreachable;
  std::string what;
};
// For people: each with its reason.
std::string to_string(const std::vector<WayFailure>& failures);

// The ways to one server.
struct Ladder {
  std::vector<Way> ways;  // best first; at least one
  std::size_t good = 0;   // the one that served last

  std::vector<Way> good_first() const;
  std::vector<Way> better_than_good() const { return {ways.begin(), ways.begin() + good_end()}; }
  void served(const Way& way);

 private:
  std::ptrdiff_t good_end() const { return static_cast<std::ptrdiff_t>(good); }
};

// Entries of the same host are one server: the first names its port Z, the others are alternative
// ports. Servers are in the order of their first entries.
std::vector<Ladder> ladders(const std::vector<HostPort>& servers,
                            const std::optional<HttpProxy>& proxy);

}  // namespace sallyport::agent
