// Joins a server: dials the servers of a token one after another, each by every way that leads
// there, demands the pinned key, sends the secret with a signing request for a key made here, and
// comes back with an identity or with the reason why not. One use; the network's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/identity.h"
#include "agent/way_finder.h"
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
  Join(net::Network& network, enrolment::Token token, const std::optional<HttpProxy>& proxy,
       OnDone on_done);
  Join(const Join&) = delete;
  Join& operator=(const Join&) = delete;
  ~Join();

 private:
  void dial_next();
  void ask(WayFinder::Found found);
  void on_received(Bytes octets);
  void on_failed(const std::vector<WayFailure>& tried);
  void on_closed(const Error& why);
  void done(Result<Identity> result);
  void later(std::function<void()> work);

  net::Network& network_;
  enrolment::Token token_;
  OnDone on_done_;
  net::PrivateKey key_;
  std::shared_ptr<net::TlsContext> tls_;
  std::vector<Ladder> servers_;  // still to be tried, the next one last
  std::unique_ptr<WayFinder> finder_;
  Way way_;  // that was found
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<net::Timer> timer_;
  std::string line_;
  Failure failure_;
  std::vector<WayFailure> tried_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::agent
