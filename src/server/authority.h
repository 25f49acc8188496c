// The server's own keys: the authority that signs agents' certificates, and the key that the
// multiplex connection shows, which invites pin. Made at the first start, kept in the state
// directory in files of mode 0600; whoever has them is the server. Used by Enrolment and by the
// listener on port Z.
#pragma once

#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "net/pki.h"
#include "net/tls.h"

namespace sallyport::server {

class Authority {
 public:
  // Loads ca.pem and server.pem (certificate and key each) from `state_dir`, or makes them there.
  // BadValue when one cannot be read as such: it is never overwritten, since every agent pins it.
  static Result<Authority> open(const std::string& state_dir, Random& random, WallTime now);

  const net::Issuer& issuer() const { return issuer_; }
  net::TlsIdentity identity() const;  // what port Z shows
  net::SpkiPin pin() const { return own_.key.pin(); }

 private:
  Authority(net::Issuer issuer, net::Issuer own)
      : issuer_(std::move(issuer)), own_(std::move(own)) {}

  net::Issuer issuer_;
  net::Issuer own_;
};

}  // namespace sallyport::server
