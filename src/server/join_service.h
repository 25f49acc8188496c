// Answers agents that join: one line in, one line out, on TLS connections to port Z whose ALPN is
// sallyport-join/1 (the acceptor hands them over). Whoever connects here has shown nothing yet, so
// conversations are few, short and bounded. Network's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "net/network.h"
#include "server/enrolment.h"

namespace sallyport::server {

class JoinService {
 public:
  struct Limits {
    std::size_t conversations = 64;  // at once; more are told to try again
    Duration patience = seconds{10};
  };
  // `site`: what agents are told when they have joined. All must outlive it.
  JoinService(Enrolment& enrolment, net::Network& network, Log& log,
              std::function<enrolment::Site()> site);
  JoinService(Enrolment& enrolment, net::Network& network, Log& log,
              std::function<enrolment::Site()> site, Limits limits);
  JoinService(const JoinService&) = delete;
  JoinService& operator=(const JoinService&) = delete;
  ~JoinService();

  void serve(std::unique_ptr<net::Stream> stream);

 private:
  struct Conversation;
  void on_received(std::uint64_t id, Bytes octets);
  void answer(Conversation& conversation, const enrolment::JoinReply& reply);
  void end(std::uint64_t id);

  Enrolment& enrolment_;
  net::Network& network_;
  Log& log_;
  std::function<enrolment::Site()> site_;
  Limits limits_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Conversation>> conversations_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for work that was posted
};

}  // namespace sallyport::server
