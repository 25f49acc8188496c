// Joins a server: dials the addresses of a token one after another, demands the pinned key, sends
// the secret with a signing request for a key made here, and comes back with an identity or with
// the reason why not. One use; the network's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/identity.h"
#include "enrolment/token.h"
#include "net/network.h"

namespace sallyport::agent {

enum class JoinFailure : std::uint8_t {
  Refused,      // the server says no, and why
  WrongServer,  // what answers does not hold the pinned key
  Unreachable,  // nothing answers at any of the addresses
};

class Join {
 public:
  struct Failure {
    JoinFailure kind = JoinFailure::Unreachable;
    std::string what;  // for people
  };
  using OnDone = std::function<void(Result<Identity>, const Failure&)>;

  // Calls on_done once. `network` must outlive it; destroying it ends the attempt.
  Join(net::Network& network, enrolment::Token token, OnDone on_done);
  Join(const Join&) = delete;
  Join& operator=(const Join&) = delete;
  ~Join();

 private:
  void resolve_next();
  void dial_next();
  void on_received(Bytes octets);
  void on_closed(const Error& why);
  void note_tried(std::string_view what);
  void done(Result<Identity> result);
  void later(std::function<void()> work);

  net::Network& network_;
  enrolment::Token token_;
  OnDone on_done_;
  net::PrivateKey key_;
  std::shared_ptr<net::TlsContext> tls_;
  std::size_t next_server_ = 0;
  HostPort server_;                        // being tried
  std::vector<TransportAddress> to_dial_;  // addresses of that server still to be tried
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<net::Timer> timer_;
  std::string line_;
  Failure failure_;
  std::string tried_;  // "192.0.2.1:2776: unreachable; ..."
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::agent
