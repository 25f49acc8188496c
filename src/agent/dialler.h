// Keeps an agent connected: dials its servers in turn, greets, attaches the TLS connection to the
// multiplex, and dials again whenever that breaks, so that the session above resumes. When a
// session is lost for good it begins a new one. Reports what a person needs to know (who refused,
// and why; who cannot be reached). Owned by the agent; on the network's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/host_port.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "mux/driver.h"
#include "mux/multiplex.h"
#include "mux/record.h"
#include "net/network.h"

namespace sallyport::agent {

class Dialler {
 public:
  struct Settings {
    std::vector<HostPort> servers;  // at least one
    net::TlsOptions tls;            // ALPN sallyport/1, the server's key pinned, our certificate
    mux::Multiplex::Settings multiplex;
    Duration answer_timeout =
        seconds{10};  // TCP and TLS together; the same for the answer to hello
    // RFC 8305: the next address of a server is tried beside one that has not answered for so long;
    // zero: one after the other only.
    Duration attempt_delay = milliseconds{250};
    // After a break: at once, then these, doubling, each varied by half of it up and down.
    Duration first_wait = milliseconds{300};
    Duration longest_wait = seconds{30};
    // After a refusal that repeating will hardly change (revoked, wrong version): varied, too.
    Duration wait_when_refused = std::chrono::minutes{5};
    Duration wait_when_already_connected = seconds{30};
    std::optional<Duration> cycle_every;  // a new connection on purpose, make before break
  };

  class Observer {
   public:
    Observer() = default;
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;
    virtual ~Observer() = default;
    // A session begins, not yet connected: set its observer. It lives until its on_gone(), or the
    // Dialler's end.
    virtual void on_session(mux::Multiplex& session) = 0;
    virtual void on_refused(const TransportAddress& server, const mux::Refusal& refusal) = 0;
    virtual void on_unreachable(const HostPort& server, const Error& why) = 0;
  };

  // Network, random and observer outlive it.
  Dialler(net::Network& network, Random& random, Settings settings, Observer& observer);
  Dialler(const Dialler&) = delete;
  Dialler& operator=(const Dialler&) = delete;
  ~Dialler();

  void start();
  // Tells the server, and ends the session; on_gone() is called for it. Nothing is dialled any
  // more.
  void stop(mux::CloseCode code);

  // The way to the server may have changed (routes, or media shows a new source): a new connection
  // is made beside the old one, which goes on if it still lives. At most once a second.
  void path_changed();
  void cycle() { redial(); }

  const mux::Multiplex* session() const;
  // Of the server's connection in use; nothing while there is none.
  std::optional<TransportAddress> server() const;
  // Server's time minus ours when we were last accepted or refused.
  std::optional<Duration> clock_offset() const { return clock_offset_; }

 private:
  struct Attempt;  // one connection to one address, until it is attached or fails

  void begin_session();
  void session_changed();
  void renew_session();
  void redial();
  std::size_t server_to_dial() const;
  Duration patience() const;
  void next_server();
  void dial();
  void dial_addresses(const std::vector<net::DnsRecord>& records);
  void try_next_address();
  void on_attempt_connected(Attempt& attempt);
  void on_attempt_received(Attempt& attempt, Bytes octets);
  void on_attempt_closed(Attempt& attempt, const Error& why);
  void on_accepted(Attempt& attempt, const mux::HelloAccept& accept);
  void on_refused(Attempt& attempt, const mux::Refusal& refusal);
  Duration wait_after(const mux::Refusal& refusal);
  void fail(const Error& why);
  void wait(Duration duration);
  Duration next_wait();
  Duration varied(Duration duration);
  void end_dial();
  void start_cycle_timer();
  bool connected() const;

  net::Network& network_;
  Random& random_;
  Settings settings_;
  Observer& observer_;
  mux::InstanceId instance_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for work that was posted
  bool stopped_ = true;

  std::unique_ptr<mux::Driver> driver_;
  bool renewing_ = false;
  std::optional<TransportAddress> server_;
  TimePoint attached_at_{};
  std::optional<Duration> clock_offset_;

  std::size_t next_server_ = 0;
  std::size_t dialled_ = 0;          // the one that is being dialled, or was last
  std::optional<std::size_t> good_;  // the one that served last
  unsigned tries_ = 0;               // since it did
  unsigned failures_ = 0;            // in a row
  bool dialling_ = false;
  bool waiting_ = false;
  std::uint64_t dial_number_ = 0;  // answers to an earlier dial's questions are not for this one
  TimePoint dial_started_{};
  std::vector<TransportAddress> addresses_;  // still to be tried in this dial, the next one last
  std::vector<std::unique_ptr<Attempt>> attempts_;
  bool greeting_ = false;  // one attempt has sent hello; the others are given up
  std::unique_ptr<net::Timer> attempt_timer_;
  std::unique_ptr<net::Timer> answer_timer_;
  std::unique_ptr<net::Timer> wait_timer_;
  std::unique_ptr<net::Timer> cycle_timer_;
  std::optional<TimePoint> path_changed_at_;
};

}  // namespace sallyport::agent
