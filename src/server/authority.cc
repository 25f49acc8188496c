#include "server/authority.h"

#include <functional>

#include "base/file.h"

namespace sallyport::server {
namespace {

constexpr auto kYear = std::chrono::hours{24 * 365};
constexpr auto kClockSlack = std::chrono::hours{24};

using Make = std::function<Result<net::Certificate>(const net::PrivateKey&)>;

Result<net::Issuer> load_or_make(const std::string& path, const Make& make) {
  const auto text = read_file(path);
  if (text) {
    const auto certificate = net::Certificate::from_pem(*text);
    const auto key = net::PrivateKey::from_pem(*text);
    if (!certificate || !key || certificate->pin() != key->pin())
      return fail(Errc::BadValue,
                  "ca.pem or server.pem in the state directory is damaged; restore it from a "
                  "backup, or remove both and enrol every agent again");
    return net::Issuer{*certificate, *key};
  }
  if (text.error().code != Errc::NotFound) return tl::make_unexpected(text.error());
  net::PrivateKey key = net::PrivateKey::generate();
  const auto certificate = make(key);
  if (!certificate) return tl::make_unexpected(certificate.error());
  if (const auto written = write_file(path, certificate->to_pem() + key.to_pem(), 0600); !written)
    return tl::make_unexpected(written.error());
  return net::Issuer{*certificate, std::move(key)};
}

}  // namespace

Result<Authority> Authority::open(const std::string& state_dir, Random& random, WallTime now) {
  if (const auto made = make_folder(state_dir); !made) return tl::make_unexpected(made.error());
  // Agents judge the server by its key, not by dates, and the authority's only use is here; both
  // outlive every installation.
  const net::Validity life{now - kClockSlack, now + 50 * kYear};
  auto issuer = load_or_make(state_dir + "/ca.pem", [&](const net::PrivateKey& key) {
    return net::make_ca(key, "Sallyport agents", net::make_serial(random), life);
  });
  if (!issuer) return tl::make_unexpected(issuer.error());
  auto own = load_or_make(state_dir + "/server.pem", [&](const net::PrivateKey& key) {
    return net::make_server_certificate(key, {"sallyport"}, net::make_serial(random), life);
  });
  if (!own) return tl::make_unexpected(own.error());
  return Authority{std::move(*issuer), std::move(*own)};
}

net::TlsIdentity Authority::identity() const {
  return net::TlsIdentity::of(own_.certificate, own_.key);
}

}  // namespace sallyport::server
