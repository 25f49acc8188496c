// Keeps an agent connected: dials its servers in turn, each by the way that served last before the
// others, greets, attaches the TLS connection to the multiplex, and dials again whenever that
// breaks, so that the session above resumes, by whichever way. Connected by a way that is not the
// best, it tries the better ones now and then. When a session is lost for good it begins a new one.
// Reports what a person needs to know (by which way; who refused, and why; who cannot be reached).
// Owned by the agent; on the network's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/way_finder.h"
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
    std::vector<HostPort> servers;   // at least one; see ladders() in way.h
    std::optional<HttpProxy> proxy;  // the last way to each of them
    net::TlsOptions tls;             // ALPN sallyport/1, the server's key pinned, our certificate
    mux::Multiplex::Settings multiplex;
    Duration answer_timeout =
        seconds{10};  // TCP and TLS together; the same for the answer to hello
    // Before the next way is tried beside one that has not led to the server yet.
    Duration way_delay = seconds{2};
    // Between looking for a better way, while a worse one serves; varied.
    Duration better_way_after = std::chrono::minutes{5};
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
    virtual void on_refused(const Way& way, const mux::Refusal& refusal) = 0;
    // One dial's end: every way that was tried, and why it led nowhere.
    virtual void on_unreachable(const std::vector<WayFailure>& tried) = 0;
    // Connected, by another way than before.
    virtual void on_way(const Way& way) = 0;
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
  // Of the connection in use: where it goes, the server or a proxy, and by which way; nothing while
  // there is none. A connection beside it is best dialled by the same way (WayFinder).
  std::optional<TransportAddress> remote() const;
  const Way* way() const;
  // That server's own address: where it was dialled, or what the proxy was asked for, unless that
  // was a name.
  std::optional<TransportAddress> server() const;
  // Server's time minus ours when we were last accepted or refused.
  std::optional<Duration> clock_offset() const { return clock_offset_; }

 private:
  // A connection whose hello was sent, until it is attached or fails.
  struct Greeting {
    Way way;
    TransportAddress remote;
    std::unique_ptr<net::Stream> stream;
    mux::Hello hello;
    mux::RecordReader reader{};
  };

  void begin_session();
  void session_changed();
  void renew_session();
  void redial();
  std::size_t server_to_dial() const;
  Duration patience() const;
  Duration patience_with_other_ways() const;
  void next_server();
  void dial();
  void find_way(std::vector<Way> ways, Duration patience, Duration patience_with_others);
  void look_for_better_way();
  void greet(WayFinder::Found found);
  void on_received(Bytes octets);
  void on_accepted(const mux::HelloAccept& accept);
  void on_refused(const mux::Refusal& refusal);
  Duration wait_after(const mux::Refusal& refusal);
  void fail(const Error& why);
  void fail(const std::vector<WayFailure>& tried);
  void wait(Duration duration);
  Duration next_wait();
  Duration varied(Duration duration);
  void end_dial();
  void start_cycle_timer();
  void start_better_timer();
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
  struct Serving {
    Way way;
    TransportAddress remote;
  };
  std::optional<Serving> serving_;
  std::optional<Way> last_way_;
  TimePoint attached_at_{};
  std::optional<Duration> clock_offset_;

  std::vector<Ladder> ladders_;  // of each server
  std::size_t next_server_ = 0;
  std::size_t dialled_ = 0;          // the one that is being dialled, or was last
  std::optional<std::size_t> good_;  // the one that served last
  unsigned tries_ = 0;               // since it did
  unsigned failures_ = 0;            // in a row
  bool dialling_ = false;
  bool only_better_ = false;  // it is but an attempt to find a better way
  bool waiting_ = false;
  TimePoint dial_started_{};
  std::unique_ptr<WayFinder> finder_;
  std::optional<Greeting> greeting_;  // after it
  std::unique_ptr<net::Timer> answer_timer_;
  std::unique_ptr<net::Timer> wait_timer_;
  std::unique_ptr<net::Timer> cycle_timer_;
  std::unique_ptr<net::Timer> better_timer_;
  std::optional<TimePoint> path_changed_at_;
};

}  // namespace sallyport::agent
