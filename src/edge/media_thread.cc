#include "edge/media_thread.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <utility>

#include "edge/kernel_steering.h"
#include "edge/media_worker.h"

namespace sallyport::edge {
namespace {

// At X and Y all calls meet: 50 000 packets a second for 50 ms and more.
constexpr int kServerBuffer = 8 * 1024 * 1024;
// On a trunk all calls of an agent meet.
constexpr int kTrunkBuffer = 2 * 1024 * 1024;
constexpr std::uint8_t kServerDscp = 46;

// How long the edge's thread waits when the queue of commands is full.
constexpr auto kQueueFull = std::chrono::microseconds{50};

// The host's addresses that an unspecified one stands for, if there are several: each gets a socket
// of its own. The unspecified one stays beside them, for addresses that come later.
std::vector<IpAddress> addresses_served_by(const TransportAddress& local) {
  if (!local.ip.is_unspecified() || local.port == 0) return {};
  std::vector<IpAddress> out;
  for (const IpAddress& ip : net::host_addresses())
    if (ip.is_v4() == local.ip.is_v4()) out.push_back(ip);
  if (out.size() < 2) out.clear();
  return out;
}

// The port's sockets from `first` on. A port may have one and not the other: then none is kept.
Result<void> open_sockets(const TransportAddress& first, unsigned components, std::uint8_t dscp,
                          std::vector<std::unique_ptr<net::UdpBatch>>& out) {
  out.clear();
  for (unsigned i = 0; i < components; ++i) {
    auto socket = net::UdpBatch::open(
        {.ip = first.ip, .port = static_cast<std::uint16_t>(first.port + i)}, {.dscp = dscp});
    if (!socket) return tl::make_unexpected(socket.error());
    out.push_back(std::move(*socket));
  }
  return {};
}

}  // namespace

MediaThread::MediaThread(const MediaThreadOptions& options, const Post& post,
                         std::unique_ptr<fastpath::KernelRelay> kernel)
    : options_(options),
      ports_(options.ports, random_, options.quarantine),
      kernel_(std::make_unique<Kernel>()) {
  options_.relay.challenge_key = random_.array<sizeof(media::FlowKey)>();
  kernel_->relay = std::move(kernel);
  const unsigned count = std::clamp(options.threads, 1U, media::kMaxCores);
  for (unsigned i = 0; i < count; ++i) {
    shared_.push_back(std::make_shared<Shared>(options, post));
    shared_.back()->owner = this;
  }
  // From one to another: by who passes, then by who takes.
  for (unsigned i = 0; i < count * count; ++i)
    ways_.push_back(i % (count + 1) == 0 ? nullptr : std::make_unique<WorkerWay>());
  for (unsigned core = 0; core < count; ++core) {
    std::vector<Worker::Link> links;
    for (unsigned other = 0; other < count; ++other)
      links.push_back({.out = ways_[core * count + other].get(),
                       .in = ways_[other * count + core].get(),
                       .bell = &shared_[other]->bell});
    media::RelayOptions relay = options_.relay;
    relay.core = static_cast<media::Core>(core);
    workers_.push_back(
        std::make_unique<Worker>(shared_[core], relay, options.nap, *kernel_, std::move(links)));
  }
}

Result<std::unique_ptr<MediaThread>> MediaThread::start(
    const MediaThreadOptions& options, const Post& post,
    std::unique_ptr<fastpath::KernelRelay> kernel) {
  std::unique_ptr<MediaThread> made{new MediaThread(options, post, std::move(kernel))};
  for (const auto& worker : made->workers_)
    if (const auto opened = worker->open(); !opened) return tl::make_unexpected(opened.error());
  if (const auto opened = made->open_server_sockets(); !opened)
    return tl::make_unexpected(opened.error());
  // Signals are for the thread that runs the event loop: the new ones inherit a full mask.
  sigset_t all{};
  sigset_t before{};
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  for (const auto& worker : made->workers_) {
    const std::string name = "media " + std::to_string(made->threads_.size());
    made->threads_.emplace_back([worker = worker.get(), name] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      worker->run();
    });
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return made;
}

MediaThread::~MediaThread() {
  for (const auto& shared : shared_) shared->owner = nullptr;
  if (threads_.empty()) return;
  tell_all(Stop{});
  for (std::thread& thread : threads_) thread.join();
}

Result<void> MediaThread::open_server_sockets() {
  for (const TransportAddress& local : options_.server_sockets) {
    const std::vector<IpAddress> own = addresses_served_by(local);
    const bool shared = threads() > 1 || !own.empty();
    if (shared) {
      // The sockets below share the port among themselves. Nobody else may hold it already, least
      // of all another server: the kernel would split the packets between the two.
      if (const auto alone = net::UdpBatch::open(local, {}); !alone)
        return tl::make_unexpected(alone.error());
    }
    const auto opened = open_server_socket(local, shared);
    if (!opened) return tl::make_unexpected(opened.error());
    server_addresses_.push_back(*opened);
    for (const IpAddress& ip : own) {
      const auto one = open_server_socket({.ip = ip, .port = local.port}, shared);
      if (!one) return tl::make_unexpected(one.error());
    }
  }
  return {};
}

// One for each worker, of one number.
Result<TransportAddress> MediaThread::open_server_socket(const TransportAddress& local,
                                                         bool shared) {
  const media::SocketId id{next_socket_++};
  TransportAddress bound = local;
  for (const auto& worker : workers_) {
    auto socket = net::UdpBatch::open(bound, {.receive_buffer = kServerBuffer,
                                              .send_buffer = kServerBuffer,
                                              .share_port = shared,
                                              .dscp = kServerDscp,
                                              .many_from_one = true});
    if (!socket) return tl::make_unexpected(socket.error());
    // Where the kernel cannot be told, it spreads them as it likes, and the workers put it right.
    if (worker == workers_.front() && threads() > 1)
      static_cast<void>(steer_in_kernel(**socket, threads()));
    bound = (*socket)->local();
    if (const auto added = worker->add_server_socket(id, std::move(*socket)); !added)
      return tl::make_unexpected(added.error());
  }
  return bound;
}

// ---- Where ends live ----

// Of those for which it does not matter.
media::Core MediaThread::next_home() {
  return std::exchange(next_home_, static_cast<media::Core>((next_home_ + 1U) % threads()));
}

Home MediaThread::home_of(media::MediaId id) const {
  const auto it = ends_.find(id);
  return {.id = id, .core = it == ends_.end() ? media::Core{0} : it->second.home};
}

// A probe is looked for where its token says.
void MediaThread::redirect(const End& end) {
  for (const media::Token& token : end.tokens)
    if (const media::Core core = media::first_core_of(token, threads()); core != end.home)
      tell(core, Redirect{.token = token, .core = end.home});
}

Result<media::OpenedPort> MediaThread::open_port(const media::PortSpec& spec, OnEvent on_event) {
  if (spec.components == 0 || spec.components > media::kMaxComponents)
    return fail(Errc::BadValue, "a media port has one or two components");
  if (ends_.size() >= options_.relay.max_ends)
    return fail(Errc::Exhausted, "as many media ends as are allowed");
  const auto local =
      spec.local ? Result<IpAddress>{*spec.local} : net::find_local_address(spec.toward);
  if (!local) return tl::make_unexpected(local.error());

  Sockets sockets;
  const auto first = ports_.take(*local, spec.components, Clock::now(), [&](std::uint16_t port) {
    return open_sockets({.ip = *local, .port = port}, spec.components, spec.dscp, sockets);
  });
  if (!first) return tl::make_unexpected(first.error());

  End end;
  end.on_event = std::make_shared<OnEvent>(std::move(on_event));
  end.port = TransportAddress{.ip = *local, .port = *first};
  end.sockets = take_socket_ids(spec.components);
  media::OpenedPort opened{.id = media::MediaId{next_id_++}, .addresses = {}};
  for (const auto& socket : sockets) opened.addresses.push_back(socket->local());
  end.home = next_home();
  tell(end.home,
       AddPort{
           .id = opened.id, .ids = end.sockets, .sockets = std::move(sockets), .dscp = spec.dscp});
  ends_.emplace(opened.id, std::move(end));
  return opened;
}

Result<media::MediaId> MediaThread::open_flow(const media::FlowSpec& spec, OnEvent on_event) {
  const std::size_t components = spec.count();
  if (components == 0 || components > media::kMaxComponents)
    return fail(Errc::BadValue, "a flow has one or two components");
  if (ends_.size() >= options_.relay.max_ends)
    return fail(Errc::Exhausted, "as many media ends as are allowed");

  End end;
  Sockets sockets;
  if (spec.tagged()) {
    if (const auto taken = take_channels(spec, end); !taken)
      return tl::make_unexpected(taken.error());
    end.home = home_of(spec.trunk).core;
    end.rides = true;
  } else if (spec.end == media::FlowEnd::Probing) {
    if (const auto opened = open_flow_sockets(spec, sockets); !opened)
      return tl::make_unexpected(opened.error());
    end.sockets = take_socket_ids(components);
    end.home = next_home();
  } else {
    for (const media::FlowComponent& one : spec.components) end.tokens.push_back(one.token);
    if (!add_tokens(end.tokens)) return fail(Errc::BadValue, "a flow's token is in use");
    end.home = media::first_core_of(end.tokens.front(), threads());
  }
  end.on_event = std::make_shared<OnEvent>(std::move(on_event));
  const media::MediaId id{next_id_++};
  redirect(end);
  tell(end.home,
       AddFlow{.id = id, .spec = spec, .ids = end.sockets, .sockets = std::move(sockets)});
  ends_.emplace(id, std::move(end));
  return id;
}

Result<media::MediaId> MediaThread::open_trunk(const media::TrunkSpec& spec, OnEvent on_event) {
  if (ends_.size() >= options_.relay.max_ends)
    return fail(Errc::Exhausted, "as many media ends as are allowed");
  if (spec.owner >= media::kMaxOwners) return fail(Errc::BadValue, "an owner is below 8");
  End end;
  end.trunk = true;
  end.owner = spec.owner;
  end.rides = true;
  end.home = static_cast<media::Core>(spec.owner % threads());
  Sockets sockets;
  if (spec.end == media::FlowEnd::Probing) {
    auto socket = open_trunk_socket(spec, end);
    if (!socket) return tl::make_unexpected(socket.error());
    sockets.push_back(std::move(*socket));
    end.sockets = take_socket_ids(1);
  } else {
    end.tokens.push_back(spec.secret.token);
    if (!add_tokens(end.tokens)) return fail(Errc::BadValue, "a flow's token is in use");
  }
  end.on_event = std::make_shared<OnEvent>(std::move(on_event));
  const media::MediaId id{next_id_++};
  redirect(end);
  tell(end.home,
       AddTrunk{.id = id, .spec = spec, .ids = end.sockets, .sockets = std::move(sockets)});
  ends_.emplace(id, std::move(end));
  return id;
}

Result<std::unique_ptr<net::UdpBatch>> MediaThread::open_trunk_socket(const media::TrunkSpec& spec,
                                                                      End& end) {
  std::uint16_t port = 0;
  if (options_.trunk_port != 0) {
    const auto free = std::find(trunk_ports_.begin(), trunk_ports_.end(), false);
    const auto which = static_cast<unsigned>(free - trunk_ports_.begin());
    if (free == trunk_ports_.end() || options_.trunk_port + which > 65535)
      return fail(Errc::Exhausted, "no fixed port for one more trunk");
    port = static_cast<std::uint16_t>(options_.trunk_port + which);
    end.trunk_port = which;
  }
  const IpAddress any = spec.server.ip.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6();
  // Shared: the trunk of a session that has ended may still be about to be closed.
  auto socket = net::UdpBatch::open({.ip = any, .port = port}, {.receive_buffer = kTrunkBuffer,
                                                                .send_buffer = kTrunkBuffer,
                                                                .share_port = port != 0,
                                                                .dscp = spec.dscp,
                                                                .many_from_one = true});
  if (socket && end.trunk_port) trunk_ports_.at(*end.trunk_port) = true;
  return socket;
}

Result<void> MediaThread::take_channels(const media::FlowSpec& spec, End& end) {
  const auto trunk = ends_.find(spec.trunk);
  if (trunk == ends_.end() || !trunk->second.trunk) return fail(Errc::BadValue, "no such trunk");
  for (const media::Channel channel : spec.channels) {
    if (media::is_of_a_flow(channel) && media::owner_of(channel) == trunk->second.owner &&
        channels_.emplace(spec.trunk, channel).second) {
      end.channels.emplace_back(spec.trunk, channel);
      continue;
    }
    for (const auto& taken : end.channels) channels_.erase(taken);
    return fail(Errc::BadValue, "a channel that is in use in this trunk, or cannot be");
  }
  return {};
}

void MediaThread::install_keys(media::KeyRingId ring, const media::KeysOfConnection& keys) {
  tell_all(InstallKeys{.ring = ring, .keys = keys});
}
void MediaThread::forget_keys(media::KeyRingId ring) { tell_all(ForgetKeys{.ring = ring}); }

// A flow's sockets are bound to no address: when the host moves to another network, the next probe
// leaves from the new one, and the flow heals by itself.
Result<void> MediaThread::open_flow_sockets(const media::FlowSpec& spec, Sockets& out) {
  if (spec.server.size() != spec.components.size())
    return fail(Errc::BadValue, "a probing flow needs a server address for each component");
  for (const TransportAddress& server : spec.server) {
    const IpAddress any = server.ip.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6();
    auto socket = net::UdpBatch::open({.ip = any, .port = 0}, {.dscp = spec.dscp});
    if (!socket) return tl::make_unexpected(socket.error());
    out.push_back(std::move(*socket));
  }
  return {};
}

// All of them, or none.
bool MediaThread::add_tokens(const std::vector<media::Token>& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens_.insert(tokens[i]).second) continue;
    for (std::size_t added = 0; added < i; ++added) tokens_.erase(tokens[added]);
    return false;
  }
  return true;
}

std::vector<media::SocketId> MediaThread::take_socket_ids(std::size_t many) {
  std::vector<media::SocketId> out;
  while (out.size() < many) {
    if (free_sockets_.empty()) free_sockets_.push_back({.value = next_socket_++});
    out.push_back(free_sockets_.back());
    free_sockets_.pop_back();
  }
  return out;
}

void MediaThread::set_remote(media::MediaId id, const media::RemoteSpec& remote) {
  orders_.give({id}, [this, id, remote] { tell_home(id, SetRemote{.id = id, .remote = remote}); });
}

// As the relays do it (Relay::detach).
void MediaThread::unjoin(Ends::iterator end) {
  const auto forget_other = [this](End& of) {
    const auto other = ends_.find(std::exchange(of.also_from, {}));
    if (other != ends_.end()) other->second.joined = {};
  };
  forget_other(end->second);
  const auto joined = ends_.find(std::exchange(end->second.joined, {}));
  if (joined == ends_.end()) return;
  if (joined->second.also_from == end->first) {
    joined->second.also_from = {};
    return;
  }
  joined->second.joined = {};
  forget_other(joined->second);
}

void MediaThread::join(media::MediaId a, media::MediaId b) {
  orders_.give({a, b}, [this, a, b] {
    // Whatever they were joined to before, they are not any more.
    if (const auto it = ends_.find(a); it != ends_.end() && it->second.joined != b)
      for (const media::MediaId id : {a, b}) do_leave(id);
    bring_together(a, b);
    orders_.give({a, b}, [this, a, b] { do_join(a, b); });
  });
}

void MediaThread::do_join(media::MediaId a, media::MediaId b) {
  const auto at = ends_.find(a);
  const auto bt = ends_.find(b);
  if (at == ends_.end() || bt == ends_.end() || a == b) return;
  unjoin(at);
  unjoin(bt);
  at->second.joined = b;
  bt->second.joined = a;
  tell_all(Join{.a = home_of(a), .b = home_of(b)});
  settle(a);
}

void MediaThread::leave(media::MediaId id) {
  orders_.give({id}, [this, id] { do_leave(id); });
}

void MediaThread::do_leave(media::MediaId id) {
  const auto it = ends_.find(id);
  if (it == ends_.end() || (!it->second.joined && !it->second.also_from)) return;
  unjoin(it);
  tell_all(Leave{.id = id});
}

void MediaThread::replace(media::MediaId old, media::MediaId by, media::ReplaceStep step) {
  orders_.give({old, by}, [this, old, by, step] {
    const auto before = ends_.find(old);
    if (before != ends_.end() && before->second.joined && step == media::ReplaceStep::Receive)
      bring_together(before->second.joined, by);
    orders_.give({old, by}, [this, old, by, step] { do_replace(old, by, step); });
  });
}

void MediaThread::do_replace(media::MediaId old, media::MediaId by, media::ReplaceStep step) {
  const auto before = ends_.find(old);
  const auto after = ends_.find(by);
  if (before == ends_.end() || after == ends_.end() || old == by) return;
  const media::MediaId partner = before->second.joined;
  const auto other = ends_.find(partner);
  if (other == ends_.end() || partner == by || other->second.joined != old) return;
  unjoin(after);
  if (const auto third = ends_.find(other->second.also_from); third != ends_.end()) unjoin(third);
  after->second.joined = partner;
  other->second.also_from = by;
  if (step == media::ReplaceStep::Send) {
    other->second.joined = by;
    other->second.also_from = old;
  }
  tell_all(
      Replace{.old = home_of(old), .by = home_of(by), .partner = home_of(partner), .step = step});
}

void MediaThread::probe(media::MediaId id) {
  orders_.give({id}, [this, id] { tell_home(id, Probe{.id = id}); });
}
void MediaThread::path_changed() { tell_all(PathChanged{}); }

// No event of it comes any more, and its ports and channels are free; the rest in its turn.
void MediaThread::close(media::MediaId id) {
  const auto it = ends_.find(id);
  if (it == ends_.end() || it->second.closed) return;
  End& end = it->second;
  end.closed = true;
  for (const media::Token& token : end.tokens) tokens_.erase(token);
  for (const auto& channel : end.channels) channels_.erase(channel);
  if (end.trunk_port) trunk_ports_.at(*end.trunk_port) = false;
  if (end.port)
    ports_.give_back(end.port->ip, end.port->port, static_cast<unsigned>(end.sockets.size()),
                     Clock::now());
  orders_.give({id}, [this, id] { do_close(id); });
}

void MediaThread::do_close(media::MediaId id) {
  const auto it = ends_.find(id);
  const media::MediaId joined = it->second.joined;
  unjoin(it);
  End end = std::move(it->second);
  ends_.erase(it);
  // Commands keep their order: whoever is given these numbers next comes after this close.
  free_sockets_.insert(free_sockets_.end(), end.sockets.begin(), end.sockets.end());
  for (unsigned core = 0; core < threads(); ++core) {
    const bool home = core == end.home;
    tell(static_cast<media::Core>(core),
         Close{.id = id,
               .sockets = home ? std::move(end.sockets) : std::vector<media::SocketId>{},
               .tokens = end.tokens});
  }
  settle(joined);  // it may have stayed for the sake of this one
}

// ---- Handing over ----

void MediaThread::hand_over(const std::vector<media::MediaId>& ids, media::Core to) {
  HandOver command{.ids = ids, .sockets = {}, .to = to};
  const media::Core from = ends_.at(ids.front()).home;
  for (const media::MediaId id : ids) {
    End& end = ends_.at(id);
    end.home = to;
    command.sockets.insert(command.sockets.end(), end.sockets.begin(), end.sockets.end());
    orders_.depart(id);
  }
  tell(from, std::move(command));
}

// So that packets between the two need not be passed on: they are about to be joined. What rides on
// a trunk stays; a bound flow is best where its source lands; a port may be anywhere.
void MediaThread::bring_together(media::MediaId a, media::MediaId b) {
  const auto at = ends_.find(a);
  const auto bt = ends_.find(b);
  if (at == ends_.end() || bt == ends_.end() || a == b) return;
  const End& first = at->second;
  const End& second = bt->second;
  if (first.home == second.home) return;
  const auto may_move = [](const End& end) { return !end.rides && !end.joined; };
  const bool first_moves = may_move(first) && !(may_move(second) && first.landing);
  if (first_moves)
    hand_over({a}, second.home);
  else if (may_move(second))
    hand_over({b}, first.home);
}

// A bound flow goes to where its source lands, and takes along what it is joined to.
void MediaThread::settle(media::MediaId id) {
  const auto it = ends_.find(id);
  if (it == ends_.end() || it->second.closed || orders_.is_away(id)) return;
  const End& end = it->second;
  const auto joined = ends_.find(end.joined);
  if (end.rides || end.also_from) return;
  std::optional<media::Core> to = end.landing;
  if (joined == ends_.end()) {
    if (to && *to != end.home) hand_over({id}, *to);
    return;
  }
  const End& other = joined->second;
  if (other.rides || other.also_from || other.closed || other.joined != id ||
      other.home != end.home || orders_.is_away(end.joined))
    return;
  // One of two flows may be where it lands: then the other's packets are passed on.
  if (!to || other.landing == end.home) to = other.landing;
  if (to && *to != end.home) hand_over({id, end.joined}, *to);
}

void MediaThread::count(media::MediaId id, OnCounts on_counts) {
  const std::uint64_t request = next_request_++;
  counts_asked_.emplace(request, std::move(on_counts));
  orders_.give(
      {id}, [this, id, request] { tell(home_of(id).core, Count{.id = id, .request = request}); });
}

void MediaThread::totals(OnTotals on_totals) {
  const std::uint64_t request = next_request_++;
  totals_asked_.emplace(
      request, TotalsAsked{.on_totals = std::move(on_totals), .sum = {}, .missing = threads()});
  orders_.give_after_all([this, request] { tell_all(CountTotals{.request = request}); });
}

void MediaThread::tell_home(media::MediaId id, MediaCommand&& command) {
  if (const auto it = ends_.find(id); it != ends_.end()) tell(it->second.home, std::move(command));
}

void MediaThread::tell(media::Core core, MediaCommand&& command) {
  Shared& worker = *shared_[core];
  // Full: the worker has thousands of commands before it and takes them all in its next round, some
  // hundred microseconds away. It never waits for this thread, so the wait ends; to refuse instead
  // would leave calls half made.
  // NOLINTNEXTLINE(bugprone-use-after-move): a push that is refused moves nothing
  while (!worker.commands.push(std::move(command))) {
    worker.bell.ring();
    std::this_thread::sleep_for(kQueueFull);
  }
  worker.bell.ring();
}

void MediaThread::deliver(Shared& from) {
  while (from.owner == this) {  // a handler may destroy this object
    auto message = from.messages.pop();
    if (!message) return;
    std::visit([this](auto& one) { on(one); }, *message);
  }
}

void MediaThread::on(Happened& message) {
  const auto it = ends_.find(message.id);
  if (it == ends_.end() || it->second.closed) return;  // meanwhile
  const bool bound = message.event.kind == media::EventKind::FlowBound ||
                     message.event.kind == media::EventKind::FlowMoved;
  if (bound && message.event.component == 0 && !it->second.tokens.empty()) {
    it->second.landing = media::steered_by_source(message.event.source, threads());
    settle(message.id);
  }
  const std::shared_ptr<OnEvent> handler = it->second.on_event;  // it may close its end
  if (*handler) (*handler)(message.id, message.event);
}

void MediaThread::on(Counted& message) {
  const auto asked = counts_asked_.extract(message.request);
  if (!asked.empty()) asked.mapped()(message.counts);
}

void MediaThread::on(HandedOver& message) {
  for (const media::MediaId id : message.ids) {
    // Where a probe for it is looked for first.
    if (const auto it = ends_.find(id); it != ends_.end()) redirect(it->second);
  }
  for (const media::MediaId id : message.ids) orders_.arrive(id);
  // They may have been bound elsewhere meanwhile.
  for (const media::MediaId id : message.ids) settle(id);
}

void MediaThread::on(CountedTotals& message) {
  const auto it = totals_asked_.find(message.request);
  if (it == totals_asked_.end()) return;
  it->second.sum += message.totals;
  if (--it->second.missing > 0) return;
  const auto asked = totals_asked_.extract(it);
  asked.mapped().on_totals(asked.mapped().sum);
}

}  // namespace sallyport::edge
