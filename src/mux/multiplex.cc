#include "mux/multiplex.h"

#include <algorithm>
#include <cassert>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mux/byte_queue.h"
#include "mux/channel_queue.h"
#include "mux/resumption.h"
#include "mux/scheduler.h"
#include "mux/session.h"
#include "mux/yamux.h"

namespace sallyport::mux {
namespace {

// How much of one channel is committed before the next one of its priority has its turn.
constexpr std::size_t kQuantum = std::size_t{8} << 10U;
constexpr std::size_t kHighWater = kMaxQueued / 4;

Session::Settings session_settings(Multiplex::Role role, const Multiplex::Settings& settings) {
  return {.max_unacknowledged = settings.max_unacknowledged,
          .dead_after = settings.dead_after,
          .life = settings.life,
          .pings_first = role == Multiplex::Role::Dialling};
}

struct Channel {
  StreamHeader header{};
  ChannelQueue out{};
  ByteQueue in{};    // an incomplete stream header, or an incomplete datagram with its header
  ByteQueue held{};  // received while paused
  bool header_known = false;
  bool stream_open = true;  // the accepting side's control channel exists before its stream does
  bool ready = false;       // the scheduler holds it
  bool paused = false;
  bool above_high_water = false;
  bool half_close_wanted = false;
  bool fin_sent = false;
  bool fin_received = false;
  bool fin_told = false;
};

}  // namespace

class Multiplex::Impl final : private Session::User, private Yamux::Observer {
 public:
  Impl(Role role, const Settings& settings, Random& random, std::function<void()> wake)
      : settings_(settings),
        random_(random),
        wake_(std::move(wake)),
        session_(session_settings(role, settings), *this),
        yamux_(role == Role::Dialling ? Yamux::Role::Client : Yamux::Role::Server,
               Yamux::Limits{.max_streams = settings.max_streams}, *this) {
    Channel control{.header_known = true};
    control.header.priority = Priority::Control;
    if (role == Role::Dialling) {
      const ChannelId id = yamux_.open();
      assert(id == kControlChannel);
      static_cast<void>(id);
    } else {
      control.stream_open = false;
    }
    channels_.emplace(kControlChannel, std::move(control));
  }

  // ---- Channels ----
  ChannelId open(const StreamHeader& header);
  void send(ChannelId id, Bytes octets);
  bool send_datagram(ChannelId id, const TransportAddress& local, const TransportAddress& remote,
                     Bytes datagram, TimePoint now);
  void half_close(ChannelId id);
  void reset(ChannelId id);
  void pause(ChannelId id, bool paused);
  std::size_t queued(ChannelId id) const;

  // ---- Connections ----
  Hello hello(const InstanceId& instance, const ExporterKey& exporter, WayKind way) {
    return resumption_.hello(instance, exporter, session_.received(), way);
  }
  Result<void> attach(std::unique_ptr<Link> link, const Hello& hello, const HelloAccept& accept,
                      TimePoint now);
  std::optional<Refusal> judge(const Hello& hello, const ExporterKey& exporter) const;
  Result<void> accept(std::unique_ptr<Link> link, const Hello& hello, WallTime wall_now,
                      TimePoint now);
  void close(CloseCode code, std::string_view text);

  // Whatever comes in comes in through here: afterwards handlers hear what was put off, and what
  // they and the work have to send goes out.
  template <typename Work>
  void enter(TimePoint now, Work work) {
    assert(!entered_ && "called from inside a handler");
    entered_ = true;
    work();
    do {
      tell_deferred();
      session_.flush(now);
    } while (!deferred_.empty());
    woken_ = false;
    entered_ = false;
    if (gone_why_ && !std::exchange(gone_told_, true)) observer_->on_gone(*gone_why_);
  }

  Multiplex::Observer* observer_ = nullptr;
  const Session& session() const { return session_; }
  Session& session() { return session_; }
  const Resumption& resumption() const { return resumption_; }
  const Yamux& yamux() const { return yamux_; }
  Counts counts_;

 private:
  struct Deferred {
    enum class What : std::uint8_t { Closed, Writable, Resumed } what;
    ChannelId channel;
    Error why{.code = Errc::Closed, .what = {}};
  };

  // ---- Session::User ----
  void on_octets(Bytes octets, TimePoint now) override;
  void fill(Buffer& out, std::size_t room, bool bulk, TimePoint now) override;
  void on_confirmed() override { resumption_.confirmed(); }
  void on_detached(const Error& why) override { observer_->on_detached(why); }
  void on_gone(const Error& why) override { over(why); }

  // ---- Yamux::Observer ----
  void on_stream(ChannelId id) override;
  void on_data(ChannelId id, Bytes octets) override;
  void on_fin(ChannelId id) override;
  void on_reset(ChannelId id) override;
  void on_writable(ChannelId id) override;
  void on_pong(std::uint32_t /*value*/) override {}  // the session has its own
  void on_go_away(Yamux::GoAway code) override;

  Channel* find(ChannelId id) {
    const auto it = channels_.find(id);
    return it == channels_.end() ? nullptr : &it->second;
  }
  void erase(ChannelId id);
  void schedule(ChannelId id, Channel& channel);
  void commit(ChannelId id, Buffer& out, std::size_t limit, TimePoint now);
  void after_queueing(ChannelId id, Channel& channel);
  void stalled(ChannelId id);
  void malformed(ChannelId id);
  void hold(ChannelId id, Channel& channel, Bytes octets);
  void deliver(ChannelId id, Bytes octets);
  Bytes deliver_header(ChannelId id, Channel& channel, Bytes octets);
  Bytes deliver_datagram(ChannelId id, Channel& channel, Bytes octets);
  void tell_half_closed(ChannelId id);
  void close_if_finished(ChannelId id);
  void tell_deferred();
  void tell(const Deferred& event);
  void defer(Deferred event);
  void wake();
  void over(const Error& why);

  Settings settings_;
  Random& random_;
  std::function<void()> wake_;
  Session session_;
  Yamux yamux_;
  Resumption resumption_;
  Scheduler scheduler_;
  std::unordered_map<ChannelId, Channel> channels_;
  std::vector<Deferred> deferred_;
  std::size_t held_ = 0;
  bool entered_ = false;
  bool woken_ = false;
  std::optional<Error> gone_why_;
  bool gone_told_ = false;
};

// ---- Channels: what the user does ----

ChannelId Multiplex::Impl::open(const StreamHeader& header) {
  if (session_.gone()) return {};
  const ChannelId id = yamux_.open();
  if (!id) return {};
  Channel& channel =
      channels_.emplace(id, Channel{.header = header, .header_known = true}).first->second;
  Buffer octets;
  encode(header, octets);
  channel.out.push(octets);
  schedule(id, channel);
  return id;
}

void Multiplex::Impl::send(ChannelId id, Bytes octets) {
  Channel* channel = find(id);
  if (channel == nullptr || channel->half_close_wanted || session_.gone()) return;
  assert(channel->header.kind == StreamKind::ByteStream);
  channel->out.push(octets);
  if (channel->out.size() > kMaxQueued) return stalled(id);
  after_queueing(id, *channel);
}

bool Multiplex::Impl::send_datagram(ChannelId id, const TransportAddress& local,
                                    const TransportAddress& remote, Bytes datagram, TimePoint now) {
  Channel* channel = find(id);
  if (channel == nullptr || channel->half_close_wanted || session_.gone()) return false;
  assert(channel->header.kind == StreamKind::Datagrams);
  if (datagram.size() > 0xffff) return false;
  counts_.datagrams_expired += channel->out.expire(now);
  Buffer framed;
  framed.reserve(kDatagramHeaderSize + datagram.size());
  const auto length = static_cast<std::uint16_t>(datagram.size());
  encode(DatagramHeader{.length = length, .local = local, .remote = remote}, framed);
  Writer{framed}.bytes(datagram);
  channel->out.push_datagram(std::move(framed), now + kDatagramLife);
  counts_.datagrams_dropped += channel->out.shrink(kMaxQueued);
  after_queueing(id, *channel);
  return true;
}

void Multiplex::Impl::after_queueing(ChannelId id, Channel& channel) {
  if (channel.out.size() > kHighWater) channel.above_high_water = true;
  schedule(id, channel);
}

void Multiplex::Impl::half_close(ChannelId id) {
  Channel* channel = find(id);
  if (channel == nullptr || id == kControlChannel) return;
  channel->half_close_wanted = true;
  schedule(id, *channel);
}

void Multiplex::Impl::reset(ChannelId id) {
  std::erase_if(deferred_, [id](const Deferred& event) { return event.channel == id; });
  if (id == kControlChannel || find(id) == nullptr) return;
  yamux_.reset(id);
  erase(id);
  wake();
}

void Multiplex::Impl::pause(ChannelId id, bool paused) {
  Channel* channel = find(id);
  if (channel == nullptr || channel->paused == paused) return;
  channel->paused = paused;
  if (!paused) defer({.what = Deferred::What::Resumed, .channel = id});
}

std::size_t Multiplex::Impl::queued(ChannelId id) const {
  const auto it = channels_.find(id);
  return it == channels_.end() ? 0 : it->second.out.size();
}

void Multiplex::Impl::stalled(ChannelId id) {
  if (id == kControlChannel) {
    // Nothing of the control channel may be lost, and no more can be kept.
    const Error why{.code = Errc::Exhausted, .what = "the control channel is not read"};
    session_.close(CloseCode::Stalled, why.what);
    return over(why);
  }
  ++counts_.channels_stalled;
  yamux_.reset(id);
  erase(id);
  defer({.what = Deferred::What::Closed,
         .channel = id,
         .why = Error{.code = Errc::Exhausted, .what = "the receiver stalled"}});
}

void Multiplex::Impl::malformed(ChannelId id) {
  ++counts_.malformed_streams;
  const Channel* channel = find(id);
  const bool told = channel != nullptr && channel->header_known;
  yamux_.reset(id);
  erase(id);
  if (told)
    defer({.what = Deferred::What::Closed,
           .channel = id,
           .why = Error{.code = Errc::BadValue, .what = "malformed datagram header"}});
}

void Multiplex::Impl::erase(ChannelId id) {
  const auto it = channels_.find(id);
  if (it == channels_.end()) return;
  if (it->second.ready) scheduler_.remove(id, it->second.header.priority);
  held_ -= it->second.held.size();
  channels_.erase(it);
}

// ---- Out ----

void Multiplex::Impl::schedule(ChannelId id, Channel& channel) {
  if (channel.ready || !channel.stream_open || !channel.header_known) return;
  channel.ready = true;
  scheduler_.add(id, channel.header.priority);
  wake();
}

void Multiplex::Impl::wake() {
  if (entered_ || std::exchange(woken_, true)) return;
  wake_();
}

void Multiplex::Impl::fill(Buffer& out, std::size_t room, bool bulk, TimePoint now) {
  const std::size_t limit = out.size() + room;
  while (true) {
    yamux_.take_frames(out, limit - out.size());
    if (limit - out.size() <= Yamux::kFrameHeaderSize) return;
    const auto id = scheduler_.next(bulk);
    if (!id) return;
    commit(*id, out, limit, now);
  }
}

// One channel's turn.
void Multiplex::Impl::commit(ChannelId id, Buffer& out, std::size_t limit, TimePoint now) {
  Channel& channel = *find(id);
  channel.ready = false;
  counts_.datagrams_expired += channel.out.expire(now);
  const Bytes next = channel.out.front();
  const std::size_t n =
      yamux_.write(id, next.first(std::min(next.size(), kQuantum)), out, limit - out.size());
  channel.out.pop(n);
  if (channel.above_high_water && channel.out.size() <= kHighWater) {
    channel.above_high_water = false;
    defer({.what = Deferred::What::Writable, .channel = id});
  }
  if (!channel.out.empty()) {
    // Without window it waits for on_writable().
    if (yamux_.writable(id) > 0) schedule(id, channel);
  } else if (channel.half_close_wanted && !std::exchange(channel.fin_sent, true)) {
    yamux_.fin(id);
    close_if_finished(id);
  }
}

void Multiplex::Impl::on_writable(ChannelId id) {
  if (Channel* channel = find(id)) {
    if (!channel->out.empty() || channel->half_close_wanted) schedule(id, *channel);
  }
}

// ---- In ----

void Multiplex::Impl::on_octets(Bytes octets, TimePoint now) {
  const auto result = yamux_.on_received(octets);
  if (result) return;
  session_.flush(now);  // the go-away that says so
  session_.end(CloseCode::ProtocolError, result.error());
}

void Multiplex::Impl::on_stream(ChannelId id) {
  if (id == kControlChannel) {
    Channel& control = *find(id);  // the far side dialled, else yamux would not take stream 1
    control.stream_open = true;
    schedule(id, control);
    return;
  }
  channels_.emplace(id, Channel{});
}

void Multiplex::Impl::on_data(ChannelId id, Bytes octets) {
  Channel* channel = find(id);
  if (channel == nullptr || session_.gone()) return;
  if (channel->paused || !channel->held.empty()) return hold(id, *channel, octets);
  deliver(id, octets);
}

void Multiplex::Impl::hold(ChannelId id, Channel& channel, Bytes octets) {
  channel.held.push(octets);
  held_ += octets.size();
  if (held_ > settings_.max_held) stalled(id);
}

// Handlers may pause, reset or open channels: the channel is looked up again after each.
void Multiplex::Impl::deliver(ChannelId id, Bytes octets) {
  while (!octets.empty()) {
    Channel* channel = find(id);
    if (channel == nullptr || session_.gone()) return;
    if (channel->paused) return hold(id, *channel, octets);
    if (!channel->header_known) {
      octets = deliver_header(id, *channel, octets);
    } else if (channel->header.kind == StreamKind::Datagrams) {
      octets = deliver_datagram(id, *channel, octets);
    } else {
      yamux_.consumed(id, octets.size());
      observer_->on_received(id, octets);
      return;
    }
  }
}

// Takes what belongs to the stream header; returns the rest.
Bytes Multiplex::Impl::deliver_header(ChannelId id, Channel& channel, Bytes octets) {
  const std::size_t n = std::min(octets.size(), kStreamHeaderSize - channel.in.size());
  channel.in.push(octets.first(n));
  yamux_.consumed(id, n);
  if (channel.in.size() < kStreamHeaderSize) return {};
  const auto header = parse_stream_header(channel.in.view());
  if (!header) {
    malformed(id);
    return {};
  }
  channel.header = *header;
  channel.header_known = true;
  channel.in.clear();
  observer_->on_channel(id, *header);
  return octets.subspan(n);
}

// Takes what belongs to one datagram; returns the rest.
Bytes Multiplex::Impl::deliver_datagram(ChannelId id, Channel& channel, Bytes octets) {
  if (channel.in.size() < kDatagramHeaderSize) {
    const std::size_t n = std::min(octets.size(), kDatagramHeaderSize - channel.in.size());
    channel.in.push(octets.first(n));
    yamux_.consumed(id, n);
    octets = octets.subspan(n);
    if (channel.in.size() < kDatagramHeaderSize) return {};
  }
  const auto header = parse_datagram_header(channel.in.view());
  if (!header) {
    malformed(id);
    return {};
  }
  const std::size_t whole = kDatagramHeaderSize + header->length;
  const std::size_t n = std::min(octets.size(), whole - channel.in.size());
  channel.in.push(octets.first(n));
  yamux_.consumed(id, n);
  if (channel.in.size() < whole) return {};
  const Buffer framed = channel.in.take();
  observer_->on_datagram(id, header->local, header->remote,
                         Bytes{framed}.subspan(kDatagramHeaderSize));
  return octets.subspan(n);
}

void Multiplex::Impl::on_fin(ChannelId id) {
  Channel* channel = find(id);
  if (channel == nullptr || session_.gone()) return;
  if (id == kControlChannel)
    return session_.end(CloseCode::ProtocolError,
                        Error{.code = Errc::BadValue, .what = "the control channel was closed"});
  if (!channel->header_known && channel->held.empty()) return malformed(id);
  channel->fin_received = true;
  if (channel->held.empty()) tell_half_closed(id);
}

void Multiplex::Impl::tell_half_closed(ChannelId id) {
  Channel* channel = find(id);
  if (channel == nullptr || !channel->fin_received || std::exchange(channel->fin_told, true))
    return;
  observer_->on_half_closed(id);
  close_if_finished(id);
}

void Multiplex::Impl::close_if_finished(ChannelId id) {
  const Channel* channel = find(id);
  if (channel == nullptr || !channel->fin_sent || !channel->fin_told) return;
  erase(id);
  defer({.what = Deferred::What::Closed,
         .channel = id,
         .why = Error{.code = Errc::Closed, .what = "closed"}});
}

void Multiplex::Impl::on_reset(ChannelId id) {
  const Channel* channel = find(id);
  if (channel == nullptr || session_.gone()) return;
  if (id == kControlChannel)
    return session_.end(CloseCode::ProtocolError,
                        Error{.code = Errc::BadValue, .what = "the control channel was reset"});
  const bool known = channel->header_known;
  erase(id);
  if (known)
    defer({.what = Deferred::What::Closed,
           .channel = id,
           .why = Error{.code = Errc::Closed, .what = "reset by the far side"}});
}

void Multiplex::Impl::on_go_away(Yamux::GoAway code) {
  if (code == Yamux::GoAway::Normal) return;  // open() refuses from now on
  session_.end(CloseCode::Normal,
               Error{.code = Errc::Closed, .what = "the far side reports a yamux error of ours"});
}

// ---- What was put off ----

void Multiplex::Impl::defer(Deferred event) {
  deferred_.push_back(event);
  wake();
}

void Multiplex::Impl::tell_deferred() {
  // One by one: a handler may reset a channel whose event is still to come.
  while (!deferred_.empty() && !gone_why_) {
    const Deferred event = deferred_.front();
    deferred_.erase(deferred_.begin());
    tell(event);
  }
  if (gone_why_) deferred_.clear();
}

void Multiplex::Impl::tell(const Deferred& event) {
  Channel* channel = find(event.channel);
  switch (event.what) {
    case Deferred::What::Closed:
      observer_->on_closed(event.channel, event.why);
      return;
    case Deferred::What::Writable:
      if (channel != nullptr) observer_->on_writable(event.channel);
      return;
    case Deferred::What::Resumed: {
      if (channel == nullptr || channel->paused) return;
      const Buffer octets = channel->held.take();
      held_ -= octets.size();
      deliver(event.channel, octets);
      channel = find(event.channel);
      if (channel != nullptr && channel->held.empty()) tell_half_closed(event.channel);
      return;
    }
  }
}

void Multiplex::Impl::over(const Error& why) {
  if (!gone_why_) gone_why_ = why;
  wake();
}

// ---- Connections ----

Result<void> Multiplex::Impl::attach(std::unique_ptr<Link> link, const Hello& hello,
                                     const HelloAccept& accept, TimePoint now) {
  if (accept.session != hello.session && (hello.resumes() || session_.number() != 0))
    return fail(Errc::BadValue, "hello-accept for another session");
  Result<void> result;
  enter(now, [&] {
    result =
        session_.attach(std::move(link), hello.connection, hello.received, accept.received, now);
    if (!result) return;
    session_.set_times(accept.dead_after, accept.life);
    resumption_.accepted(accept);
    observer_->on_attached(hello.connection);
  });
  return result;
}

std::optional<Refusal> Multiplex::Impl::judge(const Hello& hello,
                                              const ExporterKey& exporter) const {
  if (!hello.speaks(kVersion))
    return Refusal{.code = RefusalCode::WrongVersion, .text = "this server speaks version 1"};
  if (session_.gone())
    return Refusal{.code = RefusalCode::NoSuchSession, .text = "the session has ended"};
  if (const auto code = resumption_.judge(hello, exporter))
    return Refusal{.code = *code, .text = std::string{name(*code)}};
  if (!session_.can_resume_from(hello.received))
    return Refusal{.code = RefusalCode::Malformed, .text = "resumes beyond what was sent"};
  return std::nullopt;
}

Result<void> Multiplex::Impl::accept(std::unique_ptr<Link> link, const Hello& hello,
                                     WallTime wall_now, TimePoint now) {
  if (session_.gone() || !session_.can_resume_from(hello.received))
    return fail(Errc::BadValue, "cannot resume there");
  ExporterKey exporter{};
  if (!link->export_key(kResumeExporterLabel, {}, exporter))
    return fail(Errc::System, "no exporter key");
  HelloAccept answer{.received = session_.received(),
                     .dead_after = settings_.dead_after,
                     .life = settings_.life,
                     .server_time = wall_now};
  resumption_.accept(hello, exporter, random_, answer);
  Buffer octets;
  encode(answer, octets);
  link->send(octets);
  Result<void> result;
  enter(now, [&] {
    result =
        session_.attach(std::move(link), hello.connection, answer.received, hello.received, now);
    if (result) observer_->on_attached(hello.connection);
  });
  return result;
}

void Multiplex::Impl::close(CloseCode code, std::string_view text) {
  session_.close(code, text);
  gone_told_ = true;
}

// ---- Multiplex ----

Multiplex::Multiplex(Role role, const Settings& settings, Random& random,
                     std::function<void()> wake)
    : impl_(std::make_unique<Impl>(role, settings, random, std::move(wake))) {}
Multiplex::~Multiplex() = default;

void Multiplex::set_observer(Observer& observer) { impl_->observer_ = &observer; }

ChannelId Multiplex::open(const StreamHeader& header) { return impl_->open(header); }
void Multiplex::send(ChannelId id, Bytes octets) { impl_->send(id, octets); }
bool Multiplex::send_datagram(ChannelId id, const TransportAddress& local,
                              const TransportAddress& remote, Bytes datagram, TimePoint now) {
  return impl_->send_datagram(id, local, remote, datagram, now);
}
void Multiplex::half_close(ChannelId id) { impl_->half_close(id); }
void Multiplex::reset(ChannelId id) { impl_->reset(id); }
void Multiplex::pause(ChannelId id, bool paused) { impl_->pause(id, paused); }
std::size_t Multiplex::queued(ChannelId id) const { return impl_->queued(id); }

bool Multiplex::attached() const { return impl_->session().attached(); }
bool Multiplex::gone() const { return impl_->session().gone(); }
void Multiplex::close(CloseCode code, std::string_view text) { impl_->close(code, text); }
std::optional<Duration> Multiplex::round_trip() const { return impl_->session().round_trip(); }
std::uint64_t Multiplex::connection_number() const { return impl_->session().number(); }
const SessionId& Multiplex::session() const { return impl_->resumption().session(); }
std::size_t Multiplex::channels() const { return impl_->yamux().streams(); }
Multiplex::Counts Multiplex::counts() const {
  Counts counts = impl_->counts_;
  const Session::Counts& session = impl_->session().counts();
  counts.connections = session.connections;
  counts.octets_sent = session.octets_sent;
  counts.octets_received = session.octets_received;
  counts.octets_sent_again = session.octets_sent_again;
  counts.octets_trimmed = session.octets_trimmed;
  return counts;
}
bool Multiplex::export_key(std::string_view label, Bytes context, MutableBytes out) const {
  return impl_->session().export_key(label, context, out);
}

Hello Multiplex::hello(const InstanceId& instance, const ExporterKey& exporter, WayKind way) {
  return impl_->hello(instance, exporter, way);
}
Result<void> Multiplex::attach(std::unique_ptr<Link> link, const Hello& hello,
                               const HelloAccept& accept, TimePoint now) {
  return impl_->attach(std::move(link), hello, accept, now);
}
std::optional<Refusal> Multiplex::judge(const Hello& hello, const ExporterKey& exporter) const {
  return impl_->judge(hello, exporter);
}
Result<void> Multiplex::accept(std::unique_ptr<Link> link, const Hello& hello, WallTime wall_now,
                               TimePoint now) {
  return impl_->accept(std::move(link), hello, wall_now, now);
}

void Multiplex::on_received(std::uint64_t connection_number, Bytes octets, TimePoint now) {
  impl_->enter(now, [&] { impl_->session().on_received(connection_number, octets, now); });
}
void Multiplex::end(CloseCode code, const Error& why, TimePoint now) {
  impl_->enter(now, [&] { impl_->session().end(code, why); });
}
void Multiplex::on_drained(std::uint64_t /*connection_number*/, TimePoint now) { flush(now); }
void Multiplex::on_broken(std::uint64_t connection_number, const Error& why, TimePoint now) {
  impl_->enter(now, [&] { impl_->session().on_broken(connection_number, why, now); });
}
void Multiplex::on_time(TimePoint now) {
  impl_->enter(now, [&] { impl_->session().on_time(now); });
}
void Multiplex::flush(TimePoint now) {
  impl_->enter(now, [] {});
}
std::optional<TimePoint> Multiplex::next_deadline() const {
  return impl_->session().next_deadline();
}
void Multiplex::probe(TimePoint now) { impl_->session().probe(now); }
TimePoint Multiplex::last_heard() const { return impl_->session().last_heard(); }

}  // namespace sallyport::mux
