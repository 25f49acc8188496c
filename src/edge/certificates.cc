#include "edge/certificates.h"

namespace sallyport::edge {

using net::TlsContext;
using net::TlsVersion;

Result<Certificates> Certificates::make(const std::optional<net::TlsIdentity>& identity,
                                        const std::string& trusted_file) {
  Certificates out;
  if (identity) {
    auto server = TlsContext::server({.identity = *identity, .minimum = TlsVersion::Tls12});
    if (!server) return tl::make_unexpected(server.error());
    out.server[""] = std::move(*server);
  }
  auto trusting = TlsContext::client(
      {.identity = identity, .minimum = TlsVersion::Tls12, .verify = net::VerifyServer::Nothing});
  if (!trusting) return tl::make_unexpected(trusting.error());
  out.client_trusting = std::move(*trusting);
  if (auto verifying = TlsContext::client({.identity = identity,
                                           .minimum = TlsVersion::Tls12,
                                           .verify = net::VerifyServer::ChainAndName,
                                           .ca_file = trusted_file}))
    out.client_verifying = std::move(*verifying);
  return out;
}

}  // namespace sallyport::edge
