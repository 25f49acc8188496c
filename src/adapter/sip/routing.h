// Where a request goes that belongs to no dialog: the question that the SIP adapter asks and
// whoever knows registrations and static routes answers (DESIGN section 6). Brain's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adapter/sip/hop.h"

namespace sallyport::adapter::sip {

struct Target {
  // Request-URI for this target, octet for octet: a registered contact as the terminal gave it, or
  // the URI that was asked for when it is not ours to change.
  std::string uri;
  Place place;
  // Route values from the top ("<sip:proxy.example.net;lr>"): the Path of a registration reversed
  // into a route. The first one, else `uri`, is located by RFC 3263.
  std::vector<std::string> route;
  // URIs that are located in their place: the upstreams of a static route, each tried when the one
  // before is unavailable; a strict router (RFC 3261 12.2.1.1).
  std::vector<std::string> next_hops;
  // Set when it is known where the target is reached: the source of its registration. Then nothing
  // is looked up. A connection that is no longer open falls back to dialling hop.remote.
  std::optional<Hop> hop;
  std::uint16_t preference = 1000;  // q in thousandths; targets of one preference ring together
  // Whose credentials answer a 401 or 407 of this target, where the server holds them: the user's
  // name. Empty: the challenge is passed on.
  std::string credentials;
};

struct Targets {
  int status = 0;       // 0: go to `targets`; else the refusal: 403, 404, 480, 482, 503
  std::string reason;   // its phrase; empty: the default one
  std::string counter;  // why, as a counter's name: "unknown_callee", "open_relay"
  std::vector<Target> targets;
};

class Routing {
 public:
  Routing() = default;
  Routing(const Routing&) = delete;
  Routing& operator=(const Routing&) = delete;
  virtual ~Routing() = default;

  using OnTargets = std::function<void(Targets, Commands&)>;
  // Who is allowed to ask is decided here too: a caller inside must be registered or permitted; a
  // call from outside goes to registered identities and static routes only (403 or 404 otherwise:
  // never an open relay). `request` has passed validate(). May answer before it returns; if later,
  // `request` is not needed any more after the return.
  virtual void find(const wire::Message& request, const Hop& from, Commands& out,
                    OnTargets on_targets) = 0;

  // Is this host (a URI's host, with or without port, any case) a name of ours: one of our domains,
  // or an address that terminals use as one?
  virtual bool is_our_domain(std::string_view host) const = 0;

  // The Authorization or Proxy-Authorization value that answers this challenge, for targets with
  // credentials; nothing: the challenge is passed on.
  virtual std::optional<std::string> answer_challenge(const Target& target,
                                                      const wire::Message& challenge,
                                                      std::string_view method,
                                                      std::string_view uri) = 0;
};

}  // namespace sallyport::adapter::sip
