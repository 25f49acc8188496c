#include "agent/media_way.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "media/probe.h"

namespace sallyport::agent {

struct MediaWay::Trunk {
  media::MediaId id;
  media::Token token;  // nobody else on this host knows it
  TransportAddress x;
  std::uint8_t dscp = 0;
  TransportAddress udp;       // where it goes by UDP, is tried to, or went last
  bool wants_stream = false;  // UDP has failed, or is not wanted
  bool streaming = false;     // it goes there, whatever is being tried
  bool trying = false;        // UDP, while it is streaming
  bool asks_stream() const { return streaming && !trying; }  // its probes go there, too
  std::shared_ptr<void> dial;
  std::unique_ptr<edge::MediaStream> stream;
  std::unique_ptr<net::Timer> check_timer, answer_timer, try_timer, dial_timer, linger_timer;
  std::optional<TimePoint> answer_due;
  Duration try_again, dial_again;
  TimePoint returned{};  // to UDP
};

MediaWay::MediaWay(net::Network& network, media::Plane& plane, Log& log, const Settings& settings,
                   Dial dial)
    : network_(network), plane_(plane), log_(log), settings_(settings), dial_(std::move(dial)) {}

MediaWay::~MediaWay() = default;

template <typename T>
void MediaWay::bury(T dead) {
  if (dead) network_.post([held = std::shared_ptr<void>(std::move(dead))] {});
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
        if (event.kind != media::EventKind::Answered) on_told(id, event);  // ours to know
      });
  if (!opened) return opened;
  auto made = std::make_unique<Trunk>();
  Trunk& trunk = *made;
  trunk.id = *opened;
  trunk.token = spec.secret.token;
  trunk.x = trunk.udp = spec.server;
  trunk.dscp = spec.dscp;
  trunk.check_timer = network_.make_timer();
  trunk.answer_timer = network_.make_timer();
  trunk.try_timer = network_.make_timer();
  trunk.dial_timer = network_.make_timer();
  trunk.linger_timer = network_.make_timer();
  trunk.try_again = settings_.try_again;
  trunk.dial_again = settings_.dial_again;
  trunks_[*opened] = std::move(made);
  if (!may_change() || udp_fails_)
    dial_stream(trunk);
  else
    check(trunk);
  return opened;
}

Result<media::MediaId> MediaWay::open_flow(const media::FlowSpec& spec, OnEvent on_told) {
  carriage_ = spec.tagged() ? media::Carriage::Tagged : media::Carriage::Bound;
  if (Trunk* const trunk = find(spec.trunk)) check(*trunk);
  return plane_.open_flow(spec, std::move(on_told));
}

void MediaWay::set_remote(media::MediaId id, const media::RemoteSpec& remote) {
  Trunk* const trunk = find(id);
  if (trunk == nullptr || remote.addresses.empty()) return plane_.set_remote(id, remote);
  trunk->x = remote.addresses.front();
  if (trunk->streaming) return;  // it is tried there in its turn
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

// ---- What its probes say ----

void MediaWay::on_event(media::MediaId id, const media::Event& event) {
  Trunk* const trunk = find(id);
  if (trunk == nullptr) return;
  switch (event.kind) {
    case media::EventKind::FlowBound:
    case media::EventKind::Answered:
      if (trunk->asks_stream()) return await_nothing(*trunk);
      if (may_change()) on_answer(*trunk);
      return;
    case media::EventKind::Silent:  // or only muted
      if (checks(*trunk)) await_answer(*trunk, patience(*trunk));
      return;
    case media::EventKind::Unconfirmed:
      if (checks(*trunk)) await_answer(*trunk, Duration{});
      return;
    default:
      return;
  }
}

// Whether it is to be known that it gets through the way that it goes.
bool MediaWay::checks(const Trunk& trunk) const {
  return trunk.asks_stream() || (may_change() && !trunk.wants_stream);
}

Duration MediaWay::patience(const Trunk& trunk) const {
  return trunk.streaming ? settings_.stream_patience : settings_.patience;
}

// Whether it still gets through.
void MediaWay::check(Trunk& trunk) {
  if (checks(trunk)) {
    plane_.probe(trunk.id);
    await_answer(trunk, patience(trunk));
  } else if (!trunk.streaming) {
    return;  // a stream is being dialled, or nothing else would help
  }
  const Duration every = trunk.streaming ? settings_.check_stream_every : settings_.check_every;
  trunk.check_timer->start(network_.now() + every, [this, id = trunk.id] {
    if (Trunk* const it = find(id)) check(*it);
  });
}

// Never later than one is due already: calls that come quickly do not put it off.
void MediaWay::await_answer(Trunk& trunk, Duration patience) {
  const TimePoint due = network_.now() + patience;
  if (trunk.answer_due && *trunk.answer_due <= due) return;
  trunk.answer_due = due;
  trunk.answer_timer->start(due, [this, id = trunk.id] {
    Trunk* const it = find(id);
    if (it == nullptr) return;
    it->answer_due.reset();
    on_no_answer(*it);
  });
}

void MediaWay::await_nothing(Trunk& trunk) {
  trunk.answer_due.reset();
  trunk.answer_timer->stop();
}

// By UDP.
void MediaWay::on_answer(Trunk& trunk) {
  await_nothing(trunk);
  udp_fails_ = false;
  if (!trunk.wants_stream) return;
  trunk.wants_stream = trunk.trying = false;
  trunk.try_timer->stop();
  trunk.dial_timer->stop();
  trunk.dial.reset();  // at once: a stream that comes now is not wanted any more
  log_.info("media goes by UDP", {{"server", trunk.udp.to_string()}});
  if (!std::exchange(trunk.streaming, false)) return;
  trunk.returned = network_.now();
  check(trunk);
  // Should it not last, the next time is later.
  trunk.try_again = std::min(2 * trunk.try_again, settings_.longest_try_again);
  // What is still on its way over the stream arrives.
  trunk.linger_timer->start(network_.now() + settings_.linger, [this, id = trunk.id] {
    if (Trunk* const it = find(id); it != nullptr && !it->streaming) end_stream(*it);
  });
}

void MediaWay::on_no_answer(Trunk& trunk) {
  if (trunk.asks_stream()) return on_stream_ended(trunk.id, "it does not answer");
  const bool first = trunk.udp == trunk.x;
  if (first && alternative_port_ != 0) return try_udp(trunk, alternative(trunk));
  if (std::exchange(trunk.trying, false)) {
    send_to(trunk, trunk.stream->local());
    return try_udp_later(trunk);
  }
  udp_fails_ = true;
  if (network_.now() - trunk.returned > settings_.longest_try_again)
    trunk.try_again = settings_.try_again;  // it had lasted
  log_.warning("UDP does not get through: media goes over a stream",
               {{"server", trunk.x.to_string()}});
  dial_stream(trunk);
}

TransportAddress MediaWay::alternative(const Trunk& trunk) const {
  return {.ip = trunk.x.ip, .port = alternative_port_};
}

void MediaWay::send_to(const Trunk& trunk, const TransportAddress& server) {
  media::RemoteSpec remote;
  remote.addresses = {server};
  plane_.set_remote(trunk.id, remote);
}

void MediaWay::try_udp(Trunk& trunk, const TransportAddress& server) {
  trunk.udp = server;
  send_to(trunk, server);
  await_answer(trunk, settings_.patience);
}

void MediaWay::try_udp_later(Trunk& trunk) {
  if (may_change()) try_udp_at(trunk, network_.now() + trunk.try_again);
}

void MediaWay::try_udp_at(Trunk& trunk, TimePoint when) {
  trunk.try_timer->start(when, [this, id = trunk.id] {
    Trunk* const it = find(id);
    if (it == nullptr || !it->streaming) return;
    // Whether the stream is dead is to be known first.
    if (it->answer_due) return try_udp_at(*it, *it->answer_due);
    it->trying = true;
    try_udp(*it, it->x);
  });
}

// ---- Streams ----

void MediaWay::dial_stream(Trunk& trunk) {
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
      network_, std::move(stream),
      {.local = edge::loopback_beside(trunk->x.ip),
       .media = {},
       .is_media =
           [token = trunk->token](Bytes datagram) {
             const auto probe = media::parse_probe(datagram);
             return probe && probe->token == token;
           },
       .dscp = trunk->dscp},
      [this, id](const Error& why) { on_stream_ended(id, std::string{why.what}); });
  if (!opened) return on_no_stream(id, std::string{opened.error().what});
  end_stream(*trunk);
  trunk->stream = std::move(*opened);
  trunk->linger_timer->stop();
  trunk->streaming = true;
  trunk->dial_again = settings_.dial_again;
  log_.info("media goes over a stream", {{"server", trunk->stream->remote().to_string()}});
  send_to(*trunk, trunk->stream->local());
  await_nothing(*trunk);
  check(*trunk);
  try_udp_later(*trunk);
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
  if (!std::exchange(trunk->streaming, false)) return;
  trunk->trying = false;
  await_nothing(*trunk);
  if (may_change()) send_to(*trunk, trunk->udp = trunk->x);  // perhaps the network has changed
  dial_later(*trunk, why);
}

void MediaWay::dial_later(Trunk& trunk, const std::string& why) {
  if (const auto left_out = no_stream_.may_log(why, network_.now()))
    log_.warning("no stream for media", {{"why", why}, {"left_out", *left_out}});
  trunk.dial_timer->start(network_.now() + trunk.dial_again, [this, id = trunk.id] {
    if (Trunk* const it = find(id); it != nullptr && it->wants_stream) dial_stream(*it);
  });
  trunk.dial_again = std::min(2 * trunk.dial_again, settings_.longest_dial_again);
}

void MediaWay::end_stream(Trunk& trunk) {
  if (!trunk.stream) return;
  ended_ += trunk.stream->counts();
  trunk.stream.reset();
}

// ---- For people ----

std::string MediaWay::describe() const {
  std::string way;
  for (const auto& [id, trunk] : trunks_) {
    if (trunk->streaming) return "stream";
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
