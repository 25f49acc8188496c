#include "net/host_listener.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <list>
#include <unordered_map>
#include <utility>

#include "net/socket.h"
#include "net/unix_address.h"

namespace sallyport::net {
namespace {

constexpr int kBacklog = 1024;
// After so many the streams that exist get their turn.
constexpr int kAcceptAtOnce = 64;
// Without descriptors or memory the kernel says "readable" for ever: look again after this.
constexpr auto kAcceptPause = std::chrono::milliseconds{100};
// When every place is taken, whoever has held one for so long gives it up: silent strangers cannot
// keep the others out.
constexpr auto kPatienceWhenFull = std::chrono::seconds{2};

// Whose connection it is: an IPv6 host has a whole /64 to come from (RFC 6177).
IpAddress source_of(const IpAddress& remote) {
  if (remote.is_v4()) return remote;
  std::array<std::uint8_t, 16> network{};
  std::copy_n(remote.octets().begin(), 8, network.begin());
  return IpAddress::v6(network);
}

class Accepting final : public std::enable_shared_from_this<Accepting> {
 public:
  Accepting(StreamSettings& settings, Fd socket, ListenOptions options,
            Network::OnAccepted on_accepted)
      : settings_(settings),
        socket_(std::move(socket)),
        options_(std::move(options)),
        on_accepted_(std::move(on_accepted)),
        timer_(settings.loop.make_timer()) {}

  Result<void> start() {
    auto readiness =
        Readiness::watch(settings_.loop, socket_.get(), [weak = weak_from_this()](Ready /*what*/) {
          if (const auto self = weak.lock()) self->accept();
        });
    if (!readiness) return tl::make_unexpected(readiness.error());
    readiness_ = std::move(*readiness);
    readiness_->wait(Ready::Readable);
    return {};
  }

  void close() {
    closed_ = true;
    timer_.reset();
    readiness_.reset();
    socket_.reset();
    handshakes_.clear();
  }

  TransportAddress local() const { return local_address(socket_); }

 private:
  struct Handshake {
    std::unique_ptr<Stream> stream;
    IpAddress source;
    TimePoint begun;
  };
  using Handshakes = std::list<Handshake>;  // the oldest first

  bool full() const { return handshakes_.size() >= options_.max_handshakes; }
  // One source has three quarters of the places at most. What it dials beyond is closed at once,
  // and does not wait in the kernel, in the way of others.
  bool has_its_share(const IpAddress& source) const {
    const auto it = from_.find(source);
    return it != from_.end() && it->second >= options_.max_handshakes - options_.max_handshakes / 4;
  }

  void accept() {
    for (int n = 0; n < kAcceptAtOnce; ++n) {
      if (closed_) return;
      if (full()) return make_room();
      SocketAddress from;
      from.size = sizeof from.v6;
      Fd socket{::accept4(socket_.get(), &from.any, &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
      if (socket) {
        begin(std::move(socket), to_transport_address(&from.any));
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return pause();
      // Everything else is the end of that one connection (accept(2): treat like EAGAIN).
    }
    if (!closed_) readiness_->wait(Ready::Readable);
  }

  void pause() {
    timer_->start(Clock::now() + kAcceptPause, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && !self->closed_) self->readiness_->wait(Ready::Readable);
    });
  }

  void begin(Fd socket, const TransportAddress& remote) {
    const IpAddress source = source_of(remote.ip);
    if (options_.tls && has_its_share(source)) return;
    auto stream = adopt(settings_, std::move(socket), remote);
    if (!options_.tls) return on_accepted_(std::move(stream));
    ++from_[source];
    const auto place = handshakes_.insert(
        handshakes_.end(), {.stream = std::move(stream), .source = source, .begun = Clock::now()});
    Stream::Handler handler;
    handler.on_connected = [weak = weak_from_this(), place] {
      if (const auto self = weak.lock()) self->finish(place, true);
    };
    handler.on_closed = [weak = weak_from_this(), place](const Error&) {
      if (const auto self = weak.lock()) self->finish(place, false);
    };
    place->stream->set_handler(std::move(handler));
    place->stream->start_tls(*options_.tls, true);
  }

  // Only called while `place` is in the list: destroying a stream ends its handler's calls.
  void finish(Handshakes::iterator place, bool done) {
    std::unique_ptr<Stream> stream = std::move(place->stream);
    const bool was_full = full();
    forget(place);
    if (was_full) readiness_->wait(Ready::Readable);
    if (!done) return;
    stream->set_handler({});
    on_accepted_(std::move(stream));
  }

  void forget(Handshakes::iterator place) {
    const auto from = from_.find(place->source);
    if (--from->second == 0) from_.erase(from);
    handshakes_.erase(place);
  }

  // Every place is taken: goes on when a handshake ends (each has its own time limit), or when the
  // oldest has had its time.
  void make_room() {
    const TimePoint now = Clock::now();
    if (full() && now - handshakes_.front().begun >= kPatienceWhenFull) forget(handshakes_.begin());
    if (!full()) return readiness_->wait(Ready::Readable);
    timer_->start(handshakes_.front().begun + kPatienceWhenFull, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && !self->closed_) self->make_room();
    });
  }

  StreamSettings& settings_;
  Fd socket_;
  std::unique_ptr<Readiness> readiness_;
  ListenOptions options_;
  Network::OnAccepted on_accepted_;
  std::unique_ptr<Timer> timer_;
  Handshakes handshakes_;
  std::unordered_map<IpAddress, std::size_t> from_;  // how many of them come from where
  bool closed_ = false;
};

class HostListener : public Listener {
 public:
  explicit HostListener(std::shared_ptr<Accepting> accepting) : accepting_(std::move(accepting)) {}
  HostListener(const HostListener&) = delete;
  HostListener& operator=(const HostListener&) = delete;
  ~HostListener() override { accepting_->close(); }
  TransportAddress local() const override { return accepting_->local(); }

 private:
  std::shared_ptr<Accepting> accepting_;
};

// Takes its file with it, unless another process has put its own there meanwhile.
class UnixListener final : public HostListener {
 public:
  UnixListener(std::shared_ptr<Accepting> accepting, std::string path)
      : HostListener(std::move(accepting)), path_(std::move(path)) {
    ::stat(path_.c_str(), &file_);
  }
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;
  ~UnixListener() override {
    struct stat now {};
    if (::stat(path_.c_str(), &now) == 0 && now.st_ino == file_.st_ino &&
        now.st_dev == file_.st_dev)
      ::unlink(path_.c_str());
  }

 private:
  std::string path_;
  struct stat file_ {};
};

// A socket file that nobody answers at is what a killed process leaves.
Result<void> remove_stale(const std::string& path, const UnixAddress& address) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0) return {};
  if (!S_ISSOCK(file.st_mode))
    return fail(Errc::BadValue, "a file that is no socket is in the way");
  auto probe = open_socket(AF_UNIX, SOCK_STREAM);
  if (!probe) return tl::make_unexpected(probe.error());
  if (::connect(probe->get(), address.any(), UnixAddress::size()) == 0 || errno == EAGAIN)
    return fail(Errc::Exhausted, "another process listens there");
  if (errno != ECONNREFUSED) return tl::make_unexpected(system_error(errno));
  ::unlink(path.c_str());
  return {};
}

Result<std::shared_ptr<Accepting>> start(StreamSettings& settings, Fd socket,
                                         const ListenOptions& options,
                                         Network::OnAccepted on_accepted) {
  if (::listen(socket.get(), kBacklog) != 0) return tl::make_unexpected(system_error(errno));
  auto accepting =
      std::make_shared<Accepting>(settings, std::move(socket), options, std::move(on_accepted));
  if (const auto started = accepting->start(); !started)
    return tl::make_unexpected(started.error());
  return accepting;
}

}  // namespace

Result<std::unique_ptr<Listener>> listen_tcp(StreamSettings& settings,
                                             const TransportAddress& local,
                                             const ListenOptions& options,
                                             Network::OnAccepted on_accepted) {
  auto socket = open_socket(family_of(local.ip), SOCK_STREAM);
  if (!socket) return tl::make_unexpected(socket.error());
  // Connections of a process before this one may still be in TIME_WAIT.
  set_option(*socket, SOL_SOCKET, SO_REUSEADDR, 1);
  set_tcp_options(settings, *socket, local.ip);
  set_dscp(*socket, local.ip.is_v4(), options.dscp);
  if (const auto bound = bind_socket(*socket, local); !bound)
    return tl::make_unexpected(bound.error());
  auto accepting = start(settings, std::move(*socket), options, std::move(on_accepted));
  if (!accepting) return tl::make_unexpected(accepting.error());
  return std::make_unique<HostListener>(std::move(*accepting));
}

Result<std::unique_ptr<Listener>> listen_unix(StreamSettings& settings, const std::string& path,
                                              Network::OnAccepted on_accepted) {
  const auto address = UnixAddress::of(path);
  if (!address) return tl::make_unexpected(address.error());
  if (const auto free = remove_stale(path, *address); !free)
    return tl::make_unexpected(free.error());
  auto socket = open_socket(AF_UNIX, SOCK_STREAM);
  if (!socket) return tl::make_unexpected(socket.error());
  // Linux makes the file with the socket's own mode: it is never open to others, not even briefly.
  ::fchmod(socket->get(), S_IRUSR | S_IWUSR);
  if (::bind(socket->get(), address->any(), UnixAddress::size()) != 0)
    return tl::make_unexpected(system_error(errno));
  auto accepting = start(settings, std::move(*socket), {}, std::move(on_accepted));
  if (!accepting) return tl::make_unexpected(accepting.error());
  return std::make_unique<UnixListener>(std::move(*accepting), path);
}

}  // namespace sallyport::net
