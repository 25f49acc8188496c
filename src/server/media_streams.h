// The agents' media streams (edge/media_stream.h) at this end: a few for each agent, which end with
// its session. Owned by the server; on the network's thread.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/log.h"
#include "edge/media_stream.h"
#include "net/network.h"

namespace sallyport::server {

class MediaStreams {
 public:
  // `x`: where the media thread listens. Network and log outlive it.
  MediaStreams(net::Network& network, Log& log, TransportAddress x, std::uint8_t dscp);
  MediaStreams(const MediaStreams&) = delete;
  MediaStreams& operator=(const MediaStreams&) = delete;
  ~MediaStreams() = default;

  void add(AgentId agent, const std::string& name, std::unique_ptr<net::Stream> stream);
  void end(AgentId agent);
  std::size_t of(AgentId agent) const;
  edge::MediaStream::Counts counts() const;  // all together, those that have ended too

 private:
  using Streams = std::list<std::unique_ptr<edge::MediaStream>>;
  void remove(AgentId agent, Streams::iterator which, const std::string& name, const Error& why);

  net::Network& network_;
  Log& log_;
  TransportAddress x_;
  std::uint8_t dscp_;
  std::map<AgentId, Streams> streams_;  // the oldest of an agent first
  edge::MediaStream::Counts ended_;
};

}  // namespace sallyport::server
