#include "net/host_stream.h"

#include <netinet/tcp.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/socket.h"
#include "net/tls_session.h"
#include "net/unix_address.h"

namespace sallyport::net {
namespace {

// After so much from one stream the others get their turn.
constexpr std::size_t kReadBudget = std::size_t{256} * 1024;
// What one stream may keep allocated while it has nothing to send: thousands of them are idle.
constexpr std::size_t kIdleBuffer = 4096;
constexpr std::size_t kWriteAtOnce = std::size_t{64} * 1024;
// A stream that is destroyed still delivers what was queued, for so long.
constexpr auto kLinger = std::chrono::seconds{2};
// For a handshake that no dial's timeout covers: of an accepted stream, or of start_tls.
constexpr auto kHandshakeTime = std::chrono::seconds{10};

enum class Phase : std::uint8_t { Dialling, Handshaking, Open, Dead };

// The stream itself. HostStream is its owner's handle; what is under way in the loop keeps it alive
// for the length of a call, so a handler may destroy the handle.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(StreamSettings& settings) : settings_(settings) {}

  void dial(const TransportAddress& remote, const ConnectOptions& options);
  void dial_unix(const std::string& path);
  void adopt(Fd socket, const TransportAddress& remote);

  void set_handler(Stream::Handler handler);
  void send(Bytes octets);
  std::size_t queued() const { return out_.size() - out_done_; }
  void half_close();
  void pause_reading(bool paused);
  void start_tls(const TlsOptions& options, bool as_server);
  void set_dscp(std::uint8_t dscp);
  void abandon();

  TransportAddress local() const { return socket_ ? local_address(socket_) : TransportAddress{}; }
  const TransportAddress& remote() const { return remote_; }
  const TlsSession* tls() const { return tls_.get(); }

 private:
  using Handle = std::shared_ptr<Stream::Handler>;

  void limit(Duration patience);
  void open_and_connect(const ConnectOptions& options);
  bool watch(Fd socket);
  void on_ready(Ready what);
  void on_dialled();
  void begin_tls();
  void shake_hands();
  void read();
  void write();
  void drop_sent(std::size_t at_least);
  void finish_writing();
  void on_write_failed(const Error& error);
  // What may be sent now: when TLS is to begin, only what was queued before that.
  std::size_t sendable() const { return next_tls_ ? next_tls_->plain : queued(); }
  bool reads() const {
    return phase_ == Phase::Open && !read_ended_ && !next_tls_ &&
           (lingering_ || (handler_ && handler_->on_received && !paused_));
  }
  IoResult receive(MutableBytes out);
  IoResult transmit(Bytes octets);
  IoResult end_writing();

  void await(Io wanted) {
    readiness_->wait(wanted == Io::WantsRead ? Ready::Readable : Ready::Writable);
  }
  void schedule_read();
  void schedule_write();
  void fail_later(const Error& error);
  void die(const Error& error);

  template <typename Function, typename... Arguments>
  void tell(std::function<Function> Stream::Handler::*what, Arguments&&... arguments) {
    const Handle handler = handler_;  // the call may replace it, or destroy its owner
    if (handler && (*handler).*what) ((*handler).*what)(std::forward<Arguments>(arguments)...);
  }

  StreamSettings& settings_;
  Phase phase_ = Phase::Dialling;
  Fd socket_;
  std::unique_ptr<Readiness> readiness_;
  std::unique_ptr<TlsSession> tls_;
  std::unique_ptr<Timer> timer_;  // of the dial, later of the linger
  TransportAddress remote_;
  Handle handler_;

  Buffer out_;  // to be sent, from out_done_ on
  std::size_t out_done_ = 0;
  struct NextTls {
    TlsOptions options;
    bool as_server = false;
    std::size_t plain = 0;  // so much of what is queued was sent before it, and goes out in clear
  };
  std::optional<NextTls> next_tls_;
  std::optional<Error> write_error_;
  bool tcp_ = true;
  bool paused_ = false;
  bool half_close_wanted_ = false;
  bool write_ended_ = false;
  bool read_ended_ = false;
  bool read_wants_write_ = false;  // TLS may need to write in order to read, and the reverse
  bool write_wants_read_ = false;
  bool read_scheduled_ = false;
  bool write_scheduled_ = false;
  bool sent_any_ = false;
  bool lingering_ = false;
};

void Connection::dial(const TransportAddress& remote, const ConnectOptions& options) {
  remote_ = remote;
  if (options.tls) next_tls_ = NextTls{.options = *options.tls};
  limit(options.timeout);
  open_and_connect(options);
}

// Ends the dial and the handshake after so long.
void Connection::limit(Duration patience) {
  timer_ = settings_.loop.make_timer();
  timer_->start(Clock::now() + patience, [weak = weak_from_this()] {
    if (const auto self = weak.lock())
      self->die({.code = Errc::Unreachable,
                 .what = self->phase_ == Phase::Dialling ? "no answer to connect"
                                                         : "TLS handshake took too long"});
  });
}

void Connection::open_and_connect(const ConnectOptions& options) {
  auto socket = open_socket(family_of(remote_.ip), SOCK_STREAM);
  if (!socket) return fail_later(socket.error());
  set_tcp_options(settings_, *socket, remote_.ip);
  net::set_dscp(*socket, remote_.ip.is_v4(), options.dscp);
  if (options.local) {
    // The port is chosen at connect, by the whole four-tuple.
    set_option(*socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    const auto bound = bind_socket(*socket, {.ip = *options.local, .port = 0});
    if (!bound) return fail_later(bound.error());
  }
  const SocketAddress address{remote_};
  if (::connect(socket->get(), &address.any, address.size) != 0 && errno != EINPROGRESS)
    return fail_later(system_error(errno));
  if (watch(std::move(*socket))) readiness_->wait(Ready::Writable);
}

void Connection::dial_unix(const std::string& path) {
  tcp_ = false;
  const auto address = UnixAddress::of(path);
  if (!address) return fail_later(address.error());
  auto socket = open_socket(AF_UNIX, SOCK_STREAM);
  if (!socket) return fail_later(socket.error());
  if (::connect(socket->get(), address->any(), address->size()) != 0)
    return fail_later(system_error(errno));
  if (watch(std::move(*socket))) readiness_->wait(Ready::Writable);
}

void Connection::adopt(Fd socket, const TransportAddress& remote) {
  remote_ = remote;
  tcp_ = remote.port != 0;
  phase_ = Phase::Open;
  watch(std::move(socket));
}

bool Connection::watch(Fd socket) {
  auto readiness =
      Readiness::watch(settings_.loop, socket.get(), [weak = weak_from_this()](Ready what) {
        if (const auto self = weak.lock()) self->on_ready(what);
      });
  if (!readiness) {
    fail_later(readiness.error());
    return false;
  }
  socket_ = std::move(socket);
  readiness_ = std::move(*readiness);
  return true;
}

void Connection::set_handler(Stream::Handler handler) {
  handler_ = std::make_shared<Stream::Handler>(std::move(handler));
  schedule_read();
}

void Connection::send(Bytes octets) {
  if (phase_ == Phase::Dead || half_close_wanted_ || write_error_) return;
  out_.insert(out_.end(), octets.begin(), octets.end());
  schedule_write();
}

void Connection::half_close() {
  half_close_wanted_ = true;
  schedule_write();
}

void Connection::pause_reading(bool paused) {
  paused_ = paused;
  if (!paused) schedule_read();
}

void Connection::start_tls(const TlsOptions& options, bool as_server) {
  if (phase_ == Phase::Dead || tls_ || next_tls_) return;
  next_tls_ = NextTls{.options = options, .as_server = as_server, .plain = queued()};
  schedule_write();
}

void Connection::set_dscp(std::uint8_t dscp) {
  if (socket_ && tcp_) net::set_dscp(socket_, remote_.ip.is_v4(), dscp);
}

void Connection::on_ready(Ready what) {
  switch (phase_) {
    case Phase::Dialling:
      return on_dialled();
    case Phase::Handshaking:
      return shake_hands();
    case Phase::Dead:
      return;
    case Phase::Open:
      break;
  }
  if (what == Ready::Failed) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return die(system_error(error != 0 ? error : ECONNRESET));
  }
  const bool writes = what == Ready::Writable || write_wants_read_;
  if (what == Ready::Readable || read_wants_write_) read();
  if (writes && phase_ == Phase::Open) write();
}

void Connection::on_dialled() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return die(system_error(error));
  phase_ = Phase::Open;
  if (next_tls_) return begin_tls();
  timer_.reset();
  tell(&Stream::Handler::on_connected);
  if (phase_ != Phase::Open) return;
  write();
  read();
}

void Connection::begin_tls() {
  const NextTls next = std::move(*next_tls_);
  next_tls_.reset();
  auto session = TlsSession::begin(socket_.get(), next.options, next.as_server);
  if (!session) return die(session.error());
  tls_ = std::move(*session);
  phase_ = Phase::Handshaking;
  if (!timer_) limit(kHandshakeTime);
  shake_hands();
}

void Connection::shake_hands() {
  const IoResult result = tls_->handshake();
  if (result.state == Io::WantsRead || result.state == Io::WantsWrite) return await(result.state);
  if (result.state == Io::Failed) return die(result.error);
  if (result.state == Io::Ended)
    return die({.code = Errc::Closed, .what = "closed during the TLS handshake"});
  phase_ = Phase::Open;
  timer_.reset();
  if (lingering_) return schedule_write();
  tell(&Stream::Handler::on_connected);
  if (phase_ != Phase::Open) return;
  write();
  read();
}

IoResult Connection::receive(MutableBytes out) {
  if (tls_) return tls_->read(out);
  for (;;) {
    const ssize_t n = ::recv(socket_.get(), out.data(), out.size(), 0);
    if (n > 0) return {.state = Io::Done, .octets = static_cast<std::size_t>(n)};
    if (n == 0) return {.state = Io::Ended};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {.state = Io::WantsRead};
    return {.state = Io::Failed, .error = system_error(errno)};
  }
}

IoResult Connection::transmit(Bytes octets) {
  if (tls_) return tls_->write(octets);
  for (;;) {
    const ssize_t n = ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    if (n >= 0) return {.state = Io::Done, .octets = static_cast<std::size_t>(n)};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {.state = Io::WantsWrite};
    return {.state = Io::Failed, .error = system_error(errno)};
  }
}

void Connection::read() {
  read_wants_write_ = false;
  for (std::size_t taken = 0; reads();) {
    if (taken >= kReadBudget) return schedule_read();
    const IoResult result = receive(settings_.scratch);
    switch (result.state) {
      case Io::Done:
        taken += result.octets;
        if (!lingering_)
          tell(&Stream::Handler::on_received, Bytes{settings_.scratch.first(result.octets)});
        continue;
      case Io::WantsWrite:
        read_wants_write_ = true;
        [[fallthrough]];
      case Io::WantsRead:
        return await(result.state);
      case Io::Failed:
        return die(write_error_.value_or(result.error));
      case Io::Ended:
        break;
    }
    read_ended_ = true;
    if (write_error_) return die(*write_error_);
    tell(&Stream::Handler::on_half_closed);
    if (phase_ != Phase::Open) return;
    if (write_ended_) return die({.code = Errc::Closed, .what = "closed by both ends"});
    readiness_->wait(Ready::Failed);  // nothing else would tell of a reset from now on
  }
}

void Connection::write() {
  if (phase_ != Phase::Open || write_ended_ || write_error_) return;
  write_wants_read_ = false;
  const bool had_any = sendable() != 0;
  while (sendable() != 0) {
    const IoResult result =
        transmit(Bytes{out_}.subspan(out_done_, std::min(sendable(), kWriteAtOnce)));
    if (result.state == Io::WantsRead || result.state == Io::WantsWrite) {
      write_wants_read_ = result.state == Io::WantsRead;
      drop_sent(out_.size() / 2);
      return await(result.state);
    }
    if (result.state != Io::Done) return on_write_failed(result.error);
    out_done_ += result.octets;
    if (next_tls_) next_tls_->plain -= result.octets;
    sent_any_ = true;
  }
  drop_sent(0);
  if (had_any && queued() == 0) tell(&Stream::Handler::on_drained);
  if (phase_ == Phase::Open && sendable() == 0) finish_writing();
}

// Makes room, once more than `at_least` octets would be moved away: the buffer must not grow for
// ever while it never gets empty.
void Connection::drop_sent(std::size_t at_least) {
  if (out_done_ <= at_least) return;
  out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(out_done_));
  out_done_ = 0;
  if (out_.empty() && out_.capacity() > kIdleBuffer) Buffer{}.swap(out_);
}

// Nothing is to be sent any more: what waited for that.
void Connection::finish_writing() {
  if (next_tls_) return begin_tls();
  if (!half_close_wanted_ || write_ended_) return;
  const IoResult result = end_writing();
  if (result.state == Io::WantsRead || result.state == Io::WantsWrite) return await(result.state);
  if (result.state != Io::Done) return on_write_failed(result.error);
  write_ended_ = true;
  if (read_ended_) return die({.code = Errc::Closed, .what = "closed by both ends"});
}

IoResult Connection::end_writing() {
  if (tls_) {
    const IoResult result = tls_->send_close_notify();
    if (result.state != Io::Done) return result;
  }
  if (::shutdown(socket_.get(), SHUT_WR) != 0)
    return {.state = Io::Failed, .error = system_error(errno)};
  return {};
}

// The far end may have said why it closed before it did: that is read first.
void Connection::on_write_failed(const Error& error) {
  write_error_ = error;
  out_.clear();
  out_done_ = 0;
  next_tls_.reset();
  if (!reads()) return die(error);
  schedule_read();
}

void Connection::schedule_read() {
  if (read_scheduled_) return;
  read_scheduled_ = true;
  settings_.loop.post([self = shared_from_this()] {
    self->read_scheduled_ = false;
    if (self->phase_ == Phase::Open) self->read();
  });
}

// Writing waits for the end of the handler that caused it: several sends become one TLS record.
void Connection::schedule_write() {
  if (write_scheduled_) return;
  write_scheduled_ = true;
  settings_.loop.post([self = shared_from_this()] {
    self->write_scheduled_ = false;
    self->write();
  });
}

void Connection::fail_later(const Error& error) {
  settings_.loop.post([self = shared_from_this(), error] { self->die(error); });
}

void Connection::die(const Error& error) {
  if (phase_ == Phase::Dead) return;
  phase_ = Phase::Dead;
  timer_.reset();
  readiness_.reset();
  tls_.reset();
  socket_.reset();
  Buffer{}.swap(out_);
  out_done_ = 0;
  const Handle handler = std::exchange(handler_, nullptr);
  if (handler && handler->on_closed) handler->on_closed(error);
}

// The owner has gone. What it queued is still delivered: the write side is closed in good order and
// the far end's octets are read away for a while, since closing a socket with unread octets resets
// the connection, and a reset can destroy what the far end has not read yet.
void Connection::abandon() {
  handler_.reset();
  const Error gone{.code = Errc::Closed, .what = "closed"};
  if (phase_ != Phase::Open || write_error_) return die(gone);
  if (!sent_any_ && queued() == 0) return die(gone);
  if (next_tls_) out_.resize(out_done_ + next_tls_->plain);  // the rest must not go out in clear
  next_tls_.reset();
  lingering_ = true;
  half_close_wanted_ = true;
  write();  // at once: the loop may not run again
  if (phase_ != Phase::Open) return;
  timer_ = settings_.loop.make_timer();
  timer_->start(Clock::now() + kLinger, [self = shared_from_this(), gone] { self->die(gone); });
  schedule_read();
}

class HostStream final : public Stream {
 public:
  explicit HostStream(std::shared_ptr<Connection> connection)
      : connection_(std::move(connection)) {}
  HostStream(const HostStream&) = delete;
  HostStream& operator=(const HostStream&) = delete;
  ~HostStream() override { connection_->abandon(); }

  void set_handler(Handler handler) override { connection_->set_handler(std::move(handler)); }
  void send(Bytes octets) override { connection_->send(octets); }
  std::size_t queued() const override { return connection_->queued(); }
  void half_close() override { connection_->half_close(); }
  void pause_reading(bool paused) override { connection_->pause_reading(paused); }
  void start_tls(const TlsOptions& options, bool as_server) override {
    connection_->start_tls(options, as_server);
  }
  void set_dscp(std::uint8_t dscp) override { connection_->set_dscp(dscp); }
  TransportAddress local() const override { return connection_->local(); }
  TransportAddress remote() const override { return connection_->remote(); }

  Buffer peer_certificate() const override {
    return connection_->tls() ? connection_->tls()->peer_certificate() : Buffer{};
  }
  std::string alpn() const override {
    return connection_->tls() ? connection_->tls()->alpn() : std::string{};
  }
  bool export_key(std::string_view label, Bytes context, MutableBytes out) const override {
    return connection_->tls() && connection_->tls()->export_key(label, context, out);
  }

 private:
  std::shared_ptr<Connection> connection_;
};

}  // namespace

std::unique_ptr<Stream> dial(StreamSettings& settings, const TransportAddress& remote,
                             const ConnectOptions& options, Stream::Handler handler) {
  auto connection = std::make_shared<Connection>(settings);
  connection->set_handler(std::move(handler));
  connection->dial(remote, options);
  return std::make_unique<HostStream>(std::move(connection));
}

std::unique_ptr<Stream> dial_unix(StreamSettings& settings, const std::string& path,
                                  Stream::Handler handler) {
  auto connection = std::make_shared<Connection>(settings);
  connection->set_handler(std::move(handler));
  connection->dial_unix(path);
  return std::make_unique<HostStream>(std::move(connection));
}

std::unique_ptr<Stream> adopt(StreamSettings& settings, Fd socket, const TransportAddress& remote) {
  auto connection = std::make_shared<Connection>(settings);
  connection->adopt(std::move(socket), remote);
  return std::make_unique<HostStream>(std::move(connection));
}

void set_tcp_options(const StreamSettings& settings, const Fd& socket, const IpAddress& address) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  // What is not sent yet waits here rather than in the kernel: what is urgent can still go ahead of
  // it, and what comes too late be dropped.
  set_option(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384);
  const auto timeout = std::chrono::milliseconds{settings.user_timeout};
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(timeout.count()));
  // A terminal that vanishes while its connection is idle is noticed, and a NAT in between keeps
  // the mapping of an idle one (RFC 5382 REQ-5 lets it go after 2 h 4 min, many do much sooner).
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  if (settings.max_segment != 0 && !address.is_loopback())
    set_option(socket, IPPROTO_TCP, TCP_MAXSEG, settings.max_segment);
}

}  // namespace sallyport::net
