// Which agents there are: invited, joined, renewed, revoked. An agent is an id that is never used
// again, a name, and the keys that it has certificates for. What stands in the SQLite file decides;
// a certificate alone opens nothing. Every change is on the disk when its function returns. Brain's
// thread (joins and logins of agents come on the same loop).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "brain/sqlite_store.h"
#include "enrolment/join_message.h"
#include "enrolment/token.h"
#include "mux/record.h"
#include "server/authority.h"

namespace sallyport::server {

struct Agent {
  AgentId id;
  std::string name;
  WallTime enrolled{};
  WallTime certificate_ends{};  // of its newest certificate
  std::optional<WallTime> revoked;
  friend bool operator==(const Agent&, const Agent&) = default;
};

struct Invite {
  std::string name;
  WallTime expires{};
  friend bool operator==(const Invite&, const Invite&) = default;
};

class Enrolment {
 public:
  struct Options {
    Duration certificate_life = std::chrono::hours{24 * 90};
    std::size_t max_invites = 10000;  // open at once
  };

  // All three must outlive it.
  static Result<std::unique_ptr<Enrolment>> open(brain::SqliteStore& store,
                                                 const Authority& authority, Random& random,
                                                 Options options);
  Enrolment(const Enrolment&) = delete;
  Enrolment& operator=(const Enrolment&) = delete;
  ~Enrolment() = default;

  // A name is 1 to 64 letters, digits, '.', '_' and '-'. An open invite of that name is replaced.
  // BadValue for another name or no server; NotPermitted while an agent of that name is enrolled;
  // Exhausted beyond max_invites.
  Result<enrolment::Token> invite(const std::string& name, const std::vector<HostPort>& servers,
                                  Duration life, WallTime now);
  std::vector<Invite> invites(WallTime now) const;  // open ones
  // NotFound when there is no open one of that name.
  Result<void> withdraw(const std::string& name, WallTime now);

  // Uses the invite up and signs a certificate for the key of the request. The same key may ask
  // again with the same secret while the invite lives: its reply may have been lost.
  enrolment::JoinReply join(const enrolment::JoinRequest& request, const enrolment::Site& site,
                            WallTime now);

  // Who shows this client certificate (DER, whose key the handshake has proven), or why it is
  // refused. An agent that uses a newer key has its older ones forgotten.
  std::variant<Agent, mux::Refusal> admit(Bytes certificate, WallTime now);

  // A new certificate (PEM) for the key of this signing request (PKCS #10, PEM). NotPermitted when
  // the agent is revoked or the request is for another name.
  Result<net::Certificate> renew(AgentId agent, std::string_view signing_request, WallTime now);

  // NotFound when no agent of that name is enrolled; an open invite of that name is withdrawn all
  // the same.
  Result<Agent> revoke(const std::string& name, WallTime now);
  // Called after an agent is revoked, to end its session at once; one listener.
  void on_revoked(std::function<void(AgentId)> listener) { on_revoked_ = std::move(listener); }

  std::optional<Agent> find(AgentId agent) const;
  std::vector<Agent> agents(bool with_revoked) const;  // by name

 private:
  Enrolment(brain::SqliteStore& store, const Authority& authority, Random& random, Options options)
      : store_(store), authority_(authority), random_(random), options_(options) {}
  Result<net::Certificate> sign(Bytes public_key, const std::string& name, WallTime now);
  std::vector<Agent> select(const std::string& where, std::vector<brain::SqlValue> values) const;

  brain::SqliteStore& store_;
  const Authority& authority_;
  Random& random_;
  Options options_;
  std::function<void(AgentId)> on_revoked_;
};

}  // namespace sallyport::server
