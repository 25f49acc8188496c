// TLS that ends at an edge: what it shows as a server, and how it dials as a client. Made from
// files that a person configured, or from an identity of the edge's own. Terminals and providers
// may be old: TLS 1.2 is the minimum here.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/tls.h"

namespace sallyport::edge {

// Names are those of TlsSpec::certificate; "" is the default.
struct Certificates {
  std::map<std::string, std::shared_ptr<net::TlsContext>> server;
  std::shared_ptr<net::TlsContext> client_verifying;  // checks chain and name
  std::shared_ptr<net::TlsContext> client_trusting;   // encrypts only

  // Without an identity there is no server side. Without readable roots in `trusted_file` nothing
  // can be verified, and a connection that asks for it is refused. BadValue for an unusable
  // identity.
  static Result<Certificates> make(const std::optional<net::TlsIdentity>& identity,
                                   const std::string& trusted_file);
};

}  // namespace sallyport::edge
