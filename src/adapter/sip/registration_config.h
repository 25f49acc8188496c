// What registration and routing are told at their start; the configuration file fills it in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "brain/routing.h"

namespace sallyport::adapter::sip {

// A domain whose registrar stands elsewhere.
struct RelayDomain {
  std::string domain;  // what terminals name in Request-URI, From and To
  // Where its registrar is, tried in this order; none: where DNS says (RFC 3263).
  std::vector<brain::Upstream> upstreams;
  // The server answers that registrar's challenges itself, with the users of its realm, and
  // challenges terminals with hashes of its own (realm: `domain`). For a terminal that can only
  // name the agent's address as its registrar it is always so, since the digest of what it says
  // does not hold for what the registrar must be told. Else challenges are passed through.
  bool holds_credentials = false;
  // How long the terminal is told that its registration lives; shorter than what the upstream
  // granted, its refreshes are answered here until half of that has passed. 0: as the upstream
  // says.
  seconds terminal_expires{60};
  // Asked of the upstream where the server holds the credentials.
  seconds upstream_expires{3600};
};

struct RegistrationConfig {
  // The domain that terminals mean which name an address of ours as their registrar; one of
  // `domains`, or one that is relayed.
  std::string default_domain;
  std::vector<std::string> domains;  // our own
  std::vector<RelayDomain> relays;

  bool authenticate = true;  // false: whoever can reach an agent may register in our domains
  seconds min_expires{60};
  seconds max_expires{3600};
  seconds default_expires{3600};  // RFC 3261 10.2.1.1

  // Calls that leave for an upstream or a foreign domain: only from terminals that are registered.
  bool registered_callers_only = true;
};

}  // namespace sallyport::adapter::sip
