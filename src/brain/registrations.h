// The registration store: which terminal identity is reachable through which agent, at which
// private transport address, until when. Protocol-neutral: an identity and a contact are opaque
// text to it. Answers come by callback, because a store that several servers share answers later;
// the embedded one calls back before it returns. Brain's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "base/result.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "edge/edge.h"

namespace sallyport::brain {

// One place where an identity can be reached. (identity, key) is unique.
struct Binding {
  std::string identity;  // canonical: "sip:alice@example.org"
  std::string key;       // what makes a contact the same one again: instance and reg-id, or its URI
  std::string protocol;  // "sip"
  adapter::Place place;  // outside, or inside which agent
  std::string contact;   // SIP: its URI as the terminal gave it, octet for octet
  std::string path;      // SIP: Path of the registration (RFC 3327), else empty
  edge::Transport transport = edge::Transport::Udp;
  TransportAddress address;       // where the registration came from
  edge::ConnectionId connection;  // TCP and TLS: the connection it came on; not kept on disk
  WallTime expires{};
  std::string order;                // SIP: Call-ID, to tell a repetition from a restart
  std::uint32_t number = 0;         // SIP: CSeq
  std::uint16_t preference = 1000;  // q value in thousandths
  std::string details;              // user agent and the like, for people
  std::string instance;  // SIP: +sip.instance (RFC 5626), the device whatever its address; or empty
  std::string route;     // SIP: Service-Route that an upstream gave for it (RFC 3608), or empty
  std::string handle;    // random name of this one binding, for addresses that may not tell more
  friend bool operator==(const Binding&, const Binding&) = default;
};

// What one registration changes: all of it or nothing (RFC 3261 10.3 step 7).
struct RegistrationUpdate {
  std::string identity;
  std::vector<std::string> remove;  // keys; those that are not there do not matter
  std::vector<Binding> put;         // adds or replaces; each of this identity
};

class Registrations {
 public:
  Registrations() = default;
  Registrations(const Registrations&) = delete;
  Registrations& operator=(const Registrations&) = delete;
  virtual ~Registrations() = default;

  // Live bindings only, best preference first, then the newest.
  virtual void find(const std::string& identity, WallTime now,
                    std::function<void(std::vector<Binding>)> on_found) = 0;
  // The live binding of that handle, if there is one.
  virtual void find_handle(const std::string& handle, WallTime now,
                           std::function<void(std::optional<Binding>)> on_found) = 0;
  // Exhausted, and nothing changed, beyond the limits (bindings an identity, identities an agent).
  virtual void update(const RegistrationUpdate& update, WallTime now,
                      std::function<void(Result<void>)> on_done) = 0;
  // Forgets what has run out; to be called now and then.
  virtual void expire(WallTime now) = 0;
  virtual std::vector<Binding> all(WallTime now) const = 0;  // for status and for people
};

}  // namespace sallyport::brain
