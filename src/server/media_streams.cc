#include "server/media_streams.h"

#include <utility>

#include "media/media.h"

namespace sallyport::server {
namespace {

// An agent has one for each trunk; while one takes another's place, both.
constexpr std::size_t kMostOfAgent = 2 * std::size_t{media::kMostTrunks};

TransportAddress on_this_host(TransportAddress x) {
  if (x.ip.is_unspecified()) x.ip = edge::loopback_beside(x.ip);
  return x;
}

}  // namespace

MediaStreams::MediaStreams(net::Network& network, Log& log, TransportAddress x, std::uint8_t dscp)
    : network_(network), log_(log), x_(on_this_host(x)), dscp_(dscp) {}

void MediaStreams::add(AgentId agent, const std::string& name,
                       std::unique_ptr<net::Stream> stream) {
  Streams& streams = streams_[agent];
  if (streams.size() == kMostOfAgent) {
    ended_ += streams.front()->counts();
    streams.pop_front();
  }
  const auto place = streams.emplace(streams.end());
  auto opened = edge::MediaStream::open(
      network_, std::move(stream), {.local = x_.ip, .media = x_, .is_media = {}, .dscp = dscp_},
      [this, agent, name, place](const Error& why) { remove(agent, place, name, why); });
  if (!opened) {
    log_.error("media stream not taken", {{"agent", name}, {"why", opened.error().what}});
    streams.erase(place);
    return;
  }
  *place = std::move(*opened);
  log_.info("media over a stream", {{"agent", name}, {"remote", (*place)->remote().to_string()}});
}

void MediaStreams::remove(AgentId agent, Streams::iterator which, const std::string& name,
                          const Error& why) {
  log_.info("media stream ended",
            {{"agent", name}, {"why", why.what}, {"late", (*which)->counts().late}});
  ended_ += (*which)->counts();
  Streams& streams = streams_.at(agent);
  streams.erase(which);
  if (streams.empty()) streams_.erase(agent);
}

void MediaStreams::end(AgentId agent) {
  const auto streams = streams_.extract(agent);
  if (streams.empty()) return;
  for (const auto& stream : streams.mapped()) ended_ += stream->counts();
}

std::size_t MediaStreams::of(AgentId agent) const {
  const auto it = streams_.find(agent);
  return it == streams_.end() ? 0 : it->second.size();
}

edge::MediaStream::Counts MediaStreams::counts() const {
  edge::MediaStream::Counts sum = ended_;
  for (const auto& [agent, streams] : streams_)
    for (const auto& stream : streams) sum += stream->counts();
  return sum;
}

}  // namespace sallyport::server
