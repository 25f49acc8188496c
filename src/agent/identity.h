// Who this agent is: its id and name, its key (made here, never leaves), its certificate, its
// servers and the key that they must show. One file in the state directory, mode 0600, replaced
// whole: at every moment it holds a key and the certificate for this very key. A value with the
// file behind it; the agent's thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/host_port.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "enrolment/join_message.h"
#include "net/pki.h"
#include "net/tls.h"

namespace sallyport::agent {

struct Identity {
  AgentId id;
  std::string name;
  enrolment::Site site;
  net::SpkiPin pin{};  // of the servers' key
  net::PrivateKey key;
  net::Certificate certificate;

  net::TlsIdentity tls() const { return net::TlsIdentity::of(certificate, key); }
};

std::string identity_file(const std::string& state_dir);

// NotFound: this agent has not joined. BadValue: the file is damaged.
Result<Identity> load_identity(const std::string& state_dir);
// Whether the state directory takes an identity: asked before an invitation is used up for it.
Result<void> try_saving(const std::string& state_dir);
Result<void> save_identity(const std::string& state_dir, const Identity& identity);

// What a server's answer makes of the key that joined. BadValue when the certificate is not for
// this key.
Result<Identity> make_identity(const enrolment::Joined& joined, const net::SpkiPin& pin,
                               net::PrivateKey key);

// When two thirds of the certificate's life have passed.
WallTime renewal_due(const Identity& identity);

// A renewal under way: a new key, and the request that goes to the server over the control channel.
struct Renewal {
  net::PrivateKey key;
  std::string signing_request;  // PKCS #10, PEM
};
Result<Renewal> begin_renewal(const Identity& identity);
// Takes the new certificate (PEM) into `identity` and the file; on failure both stay as they were.
Result<void> finish_renewal(const std::string& state_dir, Identity& identity,
                            const Renewal& renewal, std::string_view certificate);

}  // namespace sallyport::agent
