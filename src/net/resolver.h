// Names, by c-ares on the loop: no thread, no blocking. Addresses honour /etc/hosts. Internal to
// net/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "net/network.h"

namespace sallyport::net {

class Resolver {
 public:
  // `servers`: see HostNetworkOptions::dns_servers.
  Resolver(EventLoop& loop, std::string servers, std::size_t max_queries);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();  // no query is answered any more

  void resolve(const std::string& name, DnsType type, Network::OnRecords on_records);

  class Channel;

 private:
  std::shared_ptr<Channel> channel();

  EventLoop& loop_;
  std::string servers_;
  std::size_t max_queries_;
  std::shared_ptr<std::size_t> under_way_;
  std::shared_ptr<Channel> channel_;
  std::vector<std::weak_ptr<Channel>> earlier_;  // that may still have queries under way
  std::string configured_by_;  // which state of /etc/resolv.conf channel_ has read
};

}  // namespace sallyport::net
