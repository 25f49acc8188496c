// Port Z: accepts the agents' TLS connections, has their certificates judged, and finds the session
// that a connection resumes, or makes a new one. Owns the sessions, one for each agent. Owned by
// the server; on the network's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "base/token_bucket.h"
#include "base/transport_address.h"
#include "mux/driver.h"
#include "mux/multiplex.h"
#include "mux/record.h"
#include "net/network.h"

namespace sallyport::server {

// ALPN of the connections on which an invitation is redeemed.
constexpr std::string_view kJoinAlpn = "sallyport-join/1";

class Acceptor {
 public:
  struct Peer {
    AgentId agent;
    std::string name;
  };
  using Verdict = std::variant<Peer, mux::Refusal>;

  class Observer {
   public:
    Observer() = default;
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;
    virtual ~Observer() = default;
    // Who holds this certificate (DER; its key was proven in the handshake), or why not.
    virtual Verdict judge(Bytes certificate, WallTime now) = 0;
    // A session begins: set its observer. It lives until its on_gone(), or the Acceptor's end.
    virtual void on_session(const Peer& peer, mux::Multiplex& session) = 0;
    virtual void on_join(std::unique_ptr<net::Stream> stream) = 0;
    // Of an agent that has a session: its media, where UDP does not pass (edge/media_stream.h).
    virtual void on_media_stream(const Peer& peer, std::unique_ptr<net::Stream> stream) = 0;
    virtual void on_refused(const TransportAddress& remote, const mux::Refusal& refusal) = 0;
  };

  struct Settings {
    std::vector<TransportAddress> local;  // port Z: at least one, one for each family mostly
    net::TlsOptions tls;  // ALPN sallyport/1, -media/1 and -join/1, client certificate optional
    mux::Multiplex::Settings multiplex;
    std::size_t max_handshakes = 256;  // TLS handshakes under way; more wait in the kernel
    std::size_t max_greeting = 1024;   // connections whose hello has not come; the oldest goes
    Duration hello_timeout = seconds{10};
    std::size_t max_sessions = 20000;
    // Hellos answered in a second, and how many may come at once; more are told to come later.
    unsigned rate = 200;
    unsigned burst = 400;
    // How long an attached session is given to prove that it lives, when another process with the
    // same certificate wants a session of its own.
    Duration proof_of_life = seconds{3};
  };

  struct Counts {
    std::uint64_t accepted = 0;  // connections whose TLS handshake was done
    std::uint64_t refused = 0;
    std::uint64_t rate_limited = 0;  // among them
    std::uint64_t unspoken = 0;      // no hello in time, or crowded out
    std::uint64_t sessions = 0;      // begun
    std::uint64_t resumed = 0;       // connections that resumed one
  };

  struct SessionView {
    Peer peer;
    TransportAddress remote;  // of the newest connection
    mux::WayKind way;         // by which the agent dialled it, as it says
    const mux::Multiplex& multiplex;
  };

  // Listens; an error if the port is taken. Network, random and observer outlive it.
  static Result<std::unique_ptr<Acceptor>> open(net::Network& network, Random& random,
                                                Settings settings, Observer& observer);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  ~Acceptor();

  TransportAddress local() const { return listeners_.front()->local(); }
  mux::Multiplex* find(AgentId agent);
  void for_each(const std::function<void(const SessionView&)>& visit) const;
  std::size_t sessions() const { return sessions_.size(); }
  const Counts& counts() const { return counts_; }

  // Ends this agent's session, if there is one; it hears on_gone().
  void end_session(AgentId agent, mux::CloseCode code);
  // Ends all of them, and answers new ones that the server is stopping.
  void stop();

 private:
  struct Greeting;  // a connection whose hello is awaited, or that waits for a proof of life
  struct Session {
    Peer peer;
    TransportAddress remote;
    mux::WayKind way = mux::WayKind::Untold;
    mux::InstanceId instance{};
    std::unique_ptr<mux::Driver> driver;
  };
  using Greetings = std::list<std::unique_ptr<Greeting>>;

  Acceptor(net::Network& network, Random& random, Settings settings, Observer& observer);
  void on_stream(std::unique_ptr<net::Stream> stream);
  void on_media_stream(std::unique_ptr<net::Stream> stream);
  void on_received(Greeting& greeting, Bytes octets);
  void on_hello(Greeting& greeting, const mux::Hello& hello);
  void resume(Greeting& greeting, const mux::Hello& hello, const Peer& peer,
              const mux::ExporterKey& exporter);
  void begin(Greeting& greeting, const mux::Hello& hello, const Peer& peer);
  void begin_now(Greeting& greeting);
  void await_proof_of_life(Greeting& greeting, const Session& session);
  void on_proof_of_life(AgentId agent);
  void session_changed(AgentId agent);
  void replace(Session& session, const Error& why);
  void bury(std::unique_ptr<mux::Driver> driver);
  void refuse(Greeting& greeting, mux::Refusal refusal);
  std::unique_ptr<Greeting> take(Greeting& greeting);
  void drop(Greeting& greeting);
  bool within_rate();

  net::Network& network_;
  Random& random_;
  Settings settings_;
  Observer& observer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for work that was posted
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  Greetings greetings_;  // the oldest first
  std::map<AgentId, Session> sessions_;
  bool stopping_ = false;
  TokenBucket hellos_;
  Counts counts_;
};

}  // namespace sallyport::server
