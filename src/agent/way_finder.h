// Finds a way to one server: tries the given ways one after another, each a little later than the
// one before, or at once when that has failed, until one of them has TLS with the server. So a
// firewall that swallows packets costs moments, not the time that TCP needs to give up. Within a
// way the addresses of a name are tried in the manner of RFC 8305. Used by the Dialler and by Join,
// and by whatever else is dialled beside the multiplex connection; one use each. On the network's
// thread.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "agent/way.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "net/network.h"

namespace sallyport::agent {

class WayFinder {
 public:
  struct Settings {
    net::TlsOptions tls;
    std::string alpn;  // what the server must agree to
    // For one address: TCP, the proxy's answer and TLS together.
    Duration patience = seconds{10};
    Duration patience_with_others = seconds{10};  // the same for all ways but the first
    // RFC 8305: the next address of a name is tried beside one that has not answered for so long;
    // zero: one after the other only.
    Duration address_delay = milliseconds{250};
    Duration way_delay = seconds{2};  // the same for the next way
  };
  struct Found {
    Way way;
    TransportAddress remote;              // where it was dialled: the server, or the proxy
    std::unique_ptr<net::Stream> stream;  // TLS is done; give it a handler
  };
  using OnFound = std::function<void(Found)>;
  // One failure for each way, in their order.
  using OnFailed = std::function<void(const std::vector<WayFailure>&)>;

  // At least one way. Calls one of the two, once, and never from inside the constructor; destroying
  // it, from there too, ends what is under way. The network outlives it.
  WayFinder(net::Network& network, Settings settings, std::vector<Way> ways, OnFound on_found,
            OnFailed on_failed);
  WayFinder(const WayFinder&) = delete;
  WayFinder& operator=(const WayFinder&) = delete;
  ~WayFinder();

 private:
  struct Trial;    // a way that is being tried
  struct Attempt;  // one address of it

  void try_next_way();
  void try_addresses(Trial& trial, const std::vector<net::DnsRecord>& records);
  void try_next_address(Trial& trial);
  void on_connected(Attempt& attempt);
  void ask_proxy(Attempt& attempt);
  void on_proxy_answered(Attempt& attempt, Bytes octets);
  void lose(Attempt& attempt, Errc code, std::string what);
  void give_up(Trial& trial);
  void succeed(Attempt& attempt);

  net::Network& network_;
  Settings settings_;
  std::vector<Way> ways_;  // still to be tried, the next one last
  OnFound on_found_;
  OnFailed on_failed_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for questions to DNS
  std::list<Trial> trials_;
  std::unique_ptr<net::Timer> way_timer_;
};

}  // namespace sallyport::agent
