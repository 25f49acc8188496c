#include "agent/media_way.h"

#include <algorithm>
#include <utility>

namespace sallyport::agent {
namespace {

IpAddress loopback_beside(const IpAddress& ip) {
  return ip.is_v4() ? IpAddress::v4({127, 0, 0, 1}) : *IpAddress::parse("::1");
}

}  // namespace

struct MediaWay::Trunk {
  media::MediaId id;
  TransportAddress x;
  TransportAddress udp;  // where it goes, or went last, by UDP
  bool heard = false;    // by UDP, and not silent since
  bool streaming = false;
  bool wants_stream = false;
  std::unique_ptr<UdpCheck> check;
  std::shared_ptr<void> dial;
  std::unique_ptr<edge::MediaStream> stream;
  std::unique_ptr<net::Timer> ask_timer, dial_timer, linger_timer;
  Duration ask_again, dial_again;
};

MediaWay::MediaWay(net::Network& network, media::Plane& plane, Log& log, const Settings& settings,
                   Dial dial)
    : network_(network), plane_(plane), log_(log), settings_(settings), dial_(std::move(dial)) {}

MediaWay::~MediaWay() = default;

template <typename T>
void MediaWay::bury(T dead) {
  if (dead) network_.post([held = std::shared_ptr<void>(std::move(dead))] {});
}

void MediaWay::end_stream(Trunk& trunk) {
  if (!trunk.stream) return;
  ended_ += trunk.stream->counts();
  trunk.stream.reset();
}

MediaWay::Trunk* MediaWay::find(media::MediaId id) {
  const auto it = trunks_.find(id);
  return it == trunks_.end() ? nullptr : it->second.get();
}

// ---- Plane ----

Result<media::MediaId> MediaWay::open_trunk(const media::TrunkSpec& spec, OnEvent on_told) {
  if (spec.end != media::FlowEnd::Probing || settings_.mode == config::MediaWay::Udp)
    return plane_.open_trunk(spec, std::move(on_told));
  const auto opened = plane_.open_trunk(
      spec, [this, on_told = std::move(on_told)](media::MediaId id, const media::Event& event) {
        on_event(id, event);
        on_told(id, event);
      });
  if (!opened) return opened;
  auto made = std::make_unique<Trunk>();
  Trunk& trunk = *made;
  trunk.id = *opened;
  trunk.x = trunk.udp = spec.server;
  trunk.ask_timer = network_.make_timer();
  trunk.dial_timer = network_.make_timer();
  trunk.linger_timer = network_.make_timer();
  trunk.ask_again = settings_.ask_again;
  trunk.dial_again = settings_.dial_again;
  trunks_[*opened] = std::move(made);
  if (settings_.mode == config::MediaWay::Stream || udp_fails_) use_stream(trunk);
  if (settings_.mode == config::MediaWay::Auto) ask_for_udp(trunk);
  return opened;
}

void MediaWay::set_remote(media::MediaId id, const media::RemoteSpec& remote) {
  Trunk* const trunk = find(id);
  if (trunk == nullptr || remote.addresses.empty()) return plane_.set_remote(id, remote);
  trunk->x = remote.addresses.front();
  if (trunk->streaming) return;
  trunk->udp = trunk->x;
  plane_.set_remote(id, remote);
}

void MediaWay::close(media::MediaId id) {
  if (Trunk* const trunk = find(id)) {
    end_stream(*trunk);
    bury(std::move(trunks_.extract(id).mapped()));
  }
  plane_.close(id);
}

// ---- Which way ----

void MediaWay::on_event(media::MediaId id, const media::Event& event) {
  Trunk* const trunk = find(id);
  if (trunk == nullptr || trunk->streaming || settings_.mode != config::MediaWay::Auto) return;
  switch (event.kind) {
    case media::EventKind::FlowBound:
      trunk->heard = true;
      if (trunk->wants_stream) use_udp(*trunk, trunk->udp);
      return;
    case media::EventKind::Unconfirmed:
    case media::EventKind::Silent:
      trunk->heard = false;
      return ask_for_udp(*trunk);
    default:
      return;
  }
}

void MediaWay::ask_for_udp(Trunk& trunk) {
  if (trunk.check) return;
  std::vector<TransportAddress> servers{trunk.x};
  if (alternative_port_ != 0) servers.push_back({.ip = trunk.x.ip, .port = alternative_port_});
  trunk.check = std::make_unique<UdpCheck>(
      network_, std::move(servers), settings_.patience,
      [this, id = trunk.id](std::optional<TransportAddress> udp) { on_asked(id, udp); });
}

void MediaWay::on_asked(media::MediaId id, std::optional<TransportAddress> udp) {
  Trunk* const trunk = find(id);
  if (trunk == nullptr) return;
  bury(std::move(trunk->check));
  udp_fails_ = !udp && !trunk->heard;
  if (udp) return use_udp(*trunk, *udp);
  if (trunk->heard) return;  // it is only this question that got no answer
  if (trunk->streaming || trunk->wants_stream) return wait_for_udp(*trunk);
  log_.warning("UDP does not get through: media goes over a stream",
               {{"server", trunk->x.to_string()}});
  use_stream(*trunk);
  wait_for_udp(*trunk);
}

void MediaWay::use_udp(Trunk& trunk, const TransportAddress& server) {
  trunk.dial.reset();  // at once: a stream that comes now is not wanted any more
  trunk.dial_timer->stop();
  trunk.wants_stream = false;
  const bool streamed = std::exchange(trunk.streaming, false);
  if (!streamed && trunk.udp == server) return;
  trunk.udp = server;
  log_.info("media goes by UDP", {{"server", server.to_string()}});
  send_to(trunk, server);
  // Should this turn out to be wrong, the next time is later.
  if (streamed) trunk.ask_again = std::min(2 * trunk.ask_again, settings_.longest_ask_again);
  // What is still on its way over the stream arrives; the server has moved by then.
  trunk.linger_timer->start(network_.now() + settings_.linger, [this, id = trunk.id] {
    if (Trunk* const it = find(id); it != nullptr && !it->streaming) end_stream(*it);
  });
}

void MediaWay::use_stream(Trunk& trunk) {
  trunk.wants_stream = true;
  if (trunk.dial) return;
  trunk.dial = dial_([this, id = trunk.id](
                         std::unique_ptr<net::Stream> stream) { on_stream(id, std::move(stream)); },
                     [this, id = trunk.id](const std::string& why) { on_no_stream(id, why); });
}

void MediaWay::on_stream(media::MediaId id, std::unique_ptr<net::Stream> stream) {
  Trunk* const trunk = find(id);
  if (trunk == nullptr) return;
  bury(std::exchange(trunk->dial, nullptr));
  auto opened = edge::MediaStream::open(
      network_, std::move(stream), {.local = loopback_beside(trunk->x.ip), .media = {}},
      [this, id](const Error& why) { on_stream_ended(id, std::string{why.what}); });
  if (!opened) return on_no_stream(id, std::string{opened.error().what});
  end_stream(*trunk);
  trunk->stream = std::move(*opened);
  trunk->linger_timer->stop();
  trunk->streaming = true;
  trunk->dial_again = settings_.dial_again;
  log_.info("media goes over a stream", {{"server", trunk->stream->remote().to_string()}});
  send_to(*trunk, trunk->stream->local());
}

void MediaWay::on_no_stream(media::MediaId id, const std::string& why) {
  Trunk* const trunk = find(id);
  if (trunk == nullptr) return;
  bury(std::exchange(trunk->dial, nullptr));
  dial_later(*trunk, why);
}

void MediaWay::on_stream_ended(media::MediaId id, const std::string& why) {
  Trunk* const trunk = find(id);
  if (trunk == nullptr) return;
  end_stream(*trunk);
  // One that was left already ends: what took its place stands.
  if (std::exchange(trunk->streaming, false)) dial_later(*trunk, why);
}

void MediaWay::dial_later(Trunk& trunk, const std::string& why) {
  log_.warning("no stream for media", {{"why", why}});
  trunk.dial_timer->start(network_.now() + trunk.dial_again, [this, id = trunk.id] {
    if (Trunk* const it = find(id); it != nullptr && it->wants_stream) use_stream(*it);
  });
  trunk.dial_again = std::min(2 * trunk.dial_again, settings_.longest_dial_again);
}

void MediaWay::wait_for_udp(Trunk& trunk) {
  if (settings_.mode != config::MediaWay::Auto) return;
  trunk.ask_timer->start(network_.now() + trunk.ask_again, [this, id = trunk.id] {
    if (Trunk* const it = find(id); it != nullptr && it->wants_stream) ask_for_udp(*it);
  });
}

void MediaWay::send_to(const Trunk& trunk, const TransportAddress& server) {
  media::RemoteSpec remote;
  remote.addresses = {server};
  plane_.set_remote(trunk.id, remote);
}

// ---- For people ----

std::string MediaWay::describe() const {
  std::string way;
  for (const auto& [id, trunk] : trunks_) {
    if (trunk->streaming) return "stream";
    if (trunk->wants_stream) way = "none";
    if (way.empty() || way == "udp")
      way = trunk->udp.port == trunk->x.port ? "udp" : "udp " + std::to_string(trunk->udp.port);
  }
  return way;
}

edge::MediaStream::Counts MediaWay::streamed() const {
  edge::MediaStream::Counts sum = ended_;
  for (const auto& [id, trunk] : trunks_)
    if (trunk->stream) sum += trunk->stream->counts();
  return sum;
}

}  // namespace sallyport::agent
