#include "edge/media_worker.h"

#include <algorithm>
#include <cerrno>

namespace sallyport::edge {
namespace {

constexpr std::uint32_t kWake = 0;  // in place of a SocketId, which is never 0
constexpr std::size_t kHeadroom = media::kHeadroom;

net::UdpRoomOptions room_options() {
  net::UdpRoomOptions options;
  options.headroom = kHeadroom;
  options.longest_copy = media::kMaxCopied;
  return options;
}

}  // namespace

MediaThread::Worker::Worker(std::shared_ptr<Shared> shared, const media::RelayOptions& options,
                            Duration nap, Kernel& kernel, std::vector<Link> links)
    : shared_(std::move(shared)),
      core_(options.core),
      links_(std::move(links)),
      kernel_(*this, kernel),
      relay_(complete(options), random_,
             [this](media::MediaId id, const media::Event& event) {
               tell(Happened{.id = id, .event = event});
             }),
      room_(room_options()),
      napper_(nap),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

media::RelayOptions MediaThread::Worker::complete(media::RelayOptions options) {
  if (kernel_.there()) options.fast_path = &kernel_;
  if (links_.size() > 1) options.neighbours = this;
  return options;
}

bool MediaThread::Worker::KernelPath::offload(Place place, const media::FastRule& rule) {
  if (place >= places_.size()) places_.resize(place + std::size_t{1}, kNone);
  Place& there = places_[place];
  if (there == kNone) {
    const Place next = kernel_.places_taken.fetch_add(1, std::memory_order_relaxed);
    if (next >= kPlaces) return false;
    there = next;
  }
  return kernel_.relay->offload(there, {.local = worker_.sockets_[rule.in.value]->local(),
                                        .source = rule.source,
                                        .in_channel = rule.in_channel,
                                        .from = worker_.sockets_[rule.out.value]->local(),
                                        .target = rule.target,
                                        .out_channel = rule.out_channel,
                                        .dscp = rule.dscp,
                                        .longest = rule.longest,
                                        .clock = rule.clock});
}

media::FastCount MediaThread::Worker::KernelPath::read(Place place) const {
  if (place >= places_.size() || places_[place] == kNone) return {};
  return kernel_.relay->read(places_[place]);
}

Result<void> MediaThread::Worker::open() {
  epoll_event event{.events = EPOLLIN, .data = {.u32 = kWake}};
  if (!epoll_ || shared_->bell.native() < 0 ||
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, shared_->bell.native(), &event) != 0)
    return tl::make_unexpected(net::system_error(errno));
  return {};
}

Result<void> MediaThread::Worker::add_server_socket(media::SocketId id,
                                                    std::unique_ptr<net::UdpBatch> socket) {
  if (!add_socket(id, std::move(socket))) return fail(Errc::System, "cannot watch a media socket");
  server_sockets_.push_back(id);
  return relay_.add_server_socket(id);
}

void MediaThread::Worker::run() {
  while (!stopped_) {
    const int n = wait();
    const TimePoint now = Clock::now();
    take_passed(now);
    for (int i = 0; i < n; ++i) {
      const std::uint32_t what = events_.at(static_cast<std::size_t>(i)).data.u32;
      if (what == kWake)
        shared_->bell.silence();
      else
        receive(what, now);
    }
    if (const auto due = relay_.next_deadline(); due && *due <= now) relay_.on_time(now, *this);
    room_.flush();
    for (const Link& link : links_)
      if (link.in != nullptr) link.in->give_back();  // what was taken has been sent
    // Last: packets come before the commands that may end what they rely on.
    run_commands(shared_->commands.size());
    announce();
    send_messages();
  }
}

int MediaThread::Worker::wait() {
  const auto ready = [this](int milliseconds) {
    return ::epoll_wait(epoll_.get(), events_.data(), kEvents, milliseconds);
  };
  const Duration nap = napper_.nap(Clock::now(), relay_.next_deadline());
  if (nap > Duration{} && !has_something_to_do()) {
    if (const int n = ready(0); n > 0) return n;
    std::this_thread::sleep_for(nap);  // nobody needs to ring: it looks when it wakes
    if (const int n = ready(0); n > 0) return n;
  }
  shared_->bell.fall_asleep();
  const int n = ready(has_something_to_do() ? 0 : wait_time());
  shared_->bell.wake_up();
  return n;
}

bool MediaThread::Worker::has_something_to_do() const {
  return shared_->commands.size() > 0 ||
         std::any_of(links_.begin(), links_.end(),
                     [](const Link& link) { return link.in != nullptr && link.in->has_more(); });
}

bool MediaThread::Worker::all_told() const {
  return std::all_of(links_.begin(), links_.end(), [](const Link& link) {
    return link.out == nullptr || link.out->has_told_all();
  });
}

void MediaThread::Worker::take_passed(TimePoint now) {
  for (std::size_t from = 0; from < links_.size(); ++from) {
    if (links_[from].in == nullptr) continue;
    links_[from].in->take_notes([&](WorkerNote& note) {
      if (auto* handover = std::get_if<Handover>(&note))
        handovers_.push_back(std::move(*handover));
      else
        relay_.on_told(static_cast<media::Core>(from), std::get<media::SourceNote>(note));
    });
  }
  if (!handovers_.empty()) settle_handovers(now);
  for (const Link& link : links_)
    if (link.in != nullptr)
      link.in->take_packets([&](const WorkerWay::Label& label, MutableBytes packet) {
        napper_.on_taken(1, now);
        std::visit([&](const auto& one) { relay_.on_passed(one, packet, now, *this); }, label);
      });
}

// What was ordered before they were handed over, and is in the queue, was meant for the ends as
// they were then.
void MediaThread::Worker::settle_handovers(TimePoint now) {
  run_commands(shared_->commands.size());
  for (Handover& one : handovers_) {
    for (auto& [id, socket] : one.sockets) add_socket(id, std::move(socket));
    relay_.put(std::move(*one.ends), now);
    tell(HandedOver{.ids = std::move(one.ids)});
  }
  handovers_.clear();
}

// Wakes those to whom something was passed or told in this round.
void MediaThread::Worker::announce() {
  for (const Link& link : links_) {
    if (link.out == nullptr) continue;
    link.out->send_notes();
    if (link.out->was_used()) link.bell->ring();
  }
}

int MediaThread::Worker::wait_time() const {
  if (!backlog_.empty() || !all_told()) return 1;
  const auto due = relay_.next_deadline();
  if (!due) return -1;
  // Up to the next whole millisecond, or the loop would turn idly until the time has come.
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - Clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

void MediaThread::Worker::receive(std::uint32_t socket, TimePoint now) {
  if (!sockets_[socket]) return;  // closed, or handed over, in this round
  const media::SocketId id{socket};
  const std::size_t taken = sockets_[socket]->receive(
      room_, [&](const TransportAddress& source, MutableBytes datagram, Ecn ecn) {
        relay_.on_datagram(id, source, datagram, now, *this, ecn);
      });
  napper_.on_taken(taken, now);
}

void MediaThread::Worker::send(media::SocketId from, const TransportAddress& to, TrafficClass as,
                               Bytes datagram) {
  sockets_[from.value]->queue(room_, to, as, datagram);
}

void MediaThread::Worker::send_copy(media::SocketId from, const TransportAddress& to,
                                    TrafficClass as, Bytes datagram) {
  sockets_[from.value]->queue_copy(room_, to, as, datagram);
}

void MediaThread::Worker::run_commands(std::size_t count) {
  for (; count > 0; --count)
    if (auto command = shared_->commands.pop())
      std::visit([this](auto& one) { on(one); }, *command);
}

bool MediaThread::Worker::add_socket(media::SocketId id, std::unique_ptr<net::UdpBatch> socket) {
  if (sockets_.size() <= id.value) sockets_.resize(id.value + std::size_t{1});
  epoll_event event{.events = EPOLLIN, .data = {.u32 = id.value}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket->native(), &event) != 0) return false;
  sockets_[id.value] = std::move(socket);
  return true;
}

void MediaThread::Worker::remove_socket(media::SocketId id) {
  if (id.value >= sockets_.size() || !sockets_[id.value]) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, sockets_[id.value]->native(), nullptr);
  sockets_[id.value].reset();
}

void MediaThread::Worker::on(Stop& /*command*/) { stopped_ = true; }

void MediaThread::Worker::on(AddPort& command) {
  for (std::size_t i = 0; i < command.ids.size(); ++i)
    add_socket(command.ids[i], std::move(command.sockets[i]));
  // Ids, sockets and their number are MediaThread's own: the relay has nothing to refuse.
  static_cast<void>(relay_.add_port(command.id, command.ids, command.dscp));
}

void MediaThread::Worker::on(AddFlow& command) {
  for (std::size_t i = 0; i < command.ids.size(); ++i)
    add_socket(command.ids[i], std::move(command.sockets[i]));
  static_cast<void>(relay_.add_flow(command.id, command.spec, command.ids));
}

void MediaThread::Worker::on(AddTrunk& command) {
  for (std::size_t i = 0; i < command.ids.size(); ++i)
    add_socket(command.ids[i], std::move(command.sockets[i]));
  static_cast<void>(relay_.add_trunk(command.id, command.spec, command.ids));
}

void MediaThread::Worker::on(InstallKeys& command) {
  relay_.install_keys(command.ring, command.keys, Clock::now());
}
void MediaThread::Worker::on(ForgetKeys& command) { relay_.forget_keys(command.ring); }

void MediaThread::Worker::on(SetRemote& command) {
  relay_.set_remote(command.id, command.remote, Clock::now());
}

void MediaThread::Worker::on(Redirect& command) { relay_.redirect(command.token, command.core); }

void MediaThread::Worker::on(HandOver& command) {
  Handover note{.ids = command.ids,
                .ends = std::make_unique<media::Relay::Moving>(
                    relay_.take(command.ids, command.to, Clock::now())),
                .sockets = {}};
  for (const media::SocketId id : command.sockets) {
    if (id.value >= sockets_.size() || !sockets_[id.value]) continue;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, sockets_[id.value]->native(), nullptr);
    note.sockets.emplace_back(id, std::move(sockets_[id.value]));
  }
  links_[command.to].out->tell(std::move(note));
}

void MediaThread::Worker::stand_in(const Home& end) {
  if (end.core != core_) relay_.stand_in(end.id, end.core);
}

// All workers are told of joins: where neither end lives, one of them may have stood in.
void MediaThread::Worker::on(Join& command) {
  if (command.a.core != core_ && command.b.core != core_) {
    relay_.leave(command.a.id);
    relay_.leave(command.b.id);
    return;
  }
  stand_in(command.a);
  stand_in(command.b);
  relay_.join(command.a.id, command.b.id);
}
void MediaThread::Worker::on(Leave& command) { relay_.leave(command.id); }
void MediaThread::Worker::on(Replace& command) {
  if (command.by.core != core_ && command.partner.core != core_) return;
  for (const Home& end : {command.old, command.by, command.partner}) stand_in(end);
  if (!relay_.is_joined(command.old.id)) relay_.join(command.old.id, command.partner.id);
  relay_.replace(command.old.id, command.by.id, command.step);
}
void MediaThread::Worker::on(Probe& command) { relay_.probe(command.id, Clock::now()); }
void MediaThread::Worker::on(PathChanged& /*command*/) { relay_.path_changed(Clock::now()); }

void MediaThread::Worker::on(Close& command) {
  relay_.close(command.id);
  for (const media::Token& token : command.tokens) relay_.forget_redirect(token);
  for (const media::SocketId id : command.sockets) remove_socket(id);
}

void MediaThread::Worker::on(Count& command) {
  tell(Counted{.request = command.request,
               .counts = relay_.count(command.id, Clock::now()).value_or(media::Counts{})});
}

void MediaThread::Worker::on(CountTotals& command) {
  relay_.read_back();
  MediaTotals totals{.relay = relay_.totals(),
                     .udp = room_.counts(),
                     .missed = 0,
                     .ends = relay_.ends(),
                     .trunks = relay_.trunks(),
                     .offloaded = relay_.offloaded(),
                     .lost_messages = lost_messages_};
  for (const media::SocketId id : server_sockets_) totals.missed += sockets_[id.value]->missed();
  tell(CountedTotals{.request = command.request, .totals = totals});
}

void MediaThread::Worker::tell(MediaMessage&& message) {
  told_ = true;
  if (backlog_.empty() && shared_->messages.push(std::move(message))) return;
  if (backlog_.size() == kMostBacklog) {
    ++lost_messages_;
    return;
  }
  // NOLINTNEXTLINE(bugprone-use-after-move): a push that fails leaves it as it was (base/queue.h)
  backlog_.push_back(std::move(message));
}

void MediaThread::Worker::send_messages() {
  while (!backlog_.empty() && shared_->messages.push(std::move(backlog_.front()))) {
    backlog_.pop_front();
    told_ = true;
  }
  if (!told_) return;
  told_ = false;
  if (shared_->messages_announced.exchange(true)) return;
  shared_->post([shared = shared_] {
    shared->messages_announced.exchange(false);
    if (shared->owner != nullptr) shared->owner->deliver(*shared);
  });
}

}  // namespace sallyport::edge
