#include "agent/terminal_tls.h"

#include <chrono>

#include "base/file.h"
#include "net/pki.h"

namespace sallyport::agent {
namespace {

constexpr auto kOwnLife = std::chrono::hours{24 * 3650};

Result<net::TlsIdentity> own_identity(const std::string& state_dir, const std::string& name,
                                      Random& random, WallTime now) {
  const std::string path = state_dir + "/terminal-tls.pem";
  if (const auto text = read_file(path))
    return net::TlsIdentity{.certificate_pem = *text, .key_pem = *text};
  const net::PrivateKey key = net::PrivateKey::generate();
  const auto certificate = net::make_server_certificate(
      key, {name}, net::make_serial(random), {.not_before = now, .not_after = now + kOwnLife});
  if (!certificate) return tl::make_unexpected(certificate.error());
  const net::TlsIdentity made = net::TlsIdentity::of(*certificate, key);
  const auto written = write_file(path, made.key_pem + made.certificate_pem, 0600);
  if (!written) return tl::make_unexpected(written.error());
  return made;
}

}  // namespace

Result<edge::Certificates> terminal_certificates(const config::AgentConfig& config,
                                                 const Identity& identity, Random& random,
                                                 WallTime now) {
  const auto tls =
      config.tls.certificate_file.empty()
          ? own_identity(config.state_dir, identity.name, random, now)
          : net::TlsIdentity::from_files(config.tls.certificate_file, config.tls.key_file);
  if (!tls) return tl::make_unexpected(tls.error());
  return edge::Certificates::make(*tls, config.tls.trusted_file);
}

}  // namespace sallyport::agent
