// The multiplex connection as the layers above see it: a control channel and any number of logical
// channels that survive breaks of the TLS connection beneath. It puts yamux into the resumable
// session, sorts what waits by priority, and bounds what waits. The agent's Dialler and the
// server's Acceptor attach TLS connections to it and drive its time; the control layer opens and
// serves channels. Sans I/O; one thread.
//
// Handlers are called from inside on_received(), on_time(), flush(), on_broken(), attach() and
// accept() only, never from inside open(), send(), reset() and the like. A Multiplex is not to be
// destroyed from inside its handlers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "mux/link.h"
#include "mux/logical_channel.h"
#include "mux/record.h"
#include "mux/stream_header.h"

namespace sallyport::mux {

class Multiplex {
 public:
  class Observer {
   public:
    Observer() = default;
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;
    virtual ~Observer() = default;

    // The far side opened a channel; what it sends follows.
    virtual void on_channel(ChannelId, const StreamHeader& header) = 0;
    // Octets of a byte stream, or of the control channel (kControlChannel).
    virtual void on_received(ChannelId, Bytes octets) = 0;
    virtual void on_datagram(ChannelId, const TransportAddress& local,
                             const TransportAddress& remote, Bytes datagram) = 0;
    virtual void on_half_closed(ChannelId) = 0;  // the far side will send no more on it
    // The channel has ended, both ways or by a reset, but not by our reset(); the id is free.
    virtual void on_closed(ChannelId, const Error& why) = 0;
    // queued() was above kMaxQueued / 4 and has fallen below: a source that was paused may go on.
    virtual void on_writable(ChannelId) = 0;

    virtual void on_attached(std::uint64_t connection_number) = 0;  // a (new) TLS connection
    virtual void on_detached(const Error& why) = 0;  // no TLS connection; what is sent waits
    // The session is over for good and all channels with it; the last handler that is called.
    virtual void on_gone(const Error& why) = 0;
  };

  enum class Role : std::uint8_t { Dialling, Accepting };

  struct Settings {
    // What is kept for the far side's acknowledgement; when it is full, streams are pushed back.
    std::size_t max_unacknowledged = std::size_t{1} << 20U;
    // The accepting side's are used by both (hello-accept tells them). A connection on which
    // nothing was heard for dead_after, pings included, is dead; a session without a connection
    // lives for `life`.
    milliseconds dead_after{15000};
    milliseconds life{60000};
    std::size_t max_streams = 4096;                 // opened by the far side; more are reset
    std::size_t max_held = std::size_t{16} << 20U;  // octets held for paused channels, all of them
  };

  struct Counts {
    std::uint64_t connections = 0;        // TLS connections attached, the first one included
    std::uint64_t datagrams_expired = 0;  // not committed to the session within kDatagramLife
    std::uint64_t datagrams_dropped = 0;  // the channel's queue was full
    std::uint64_t channels_stalled = 0;   // reset by us, since their receiver stalled
    std::uint64_t malformed_streams = 0;  // reset by us, since their header cannot be read
    std::uint64_t octets_sent = 0;        // committed to the session
    std::uint64_t octets_received = 0;
    std::uint64_t octets_sent_again = 0;  // after a break or at a switch
    std::uint64_t octets_trimmed = 0;     // received twice, delivered once
  };

  // `wake` asks the owner to call flush() soon, and then to look at next_deadline() again. It is
  // called at most once between two flushes.
  Multiplex(Role role, const Settings& settings, Random& random, std::function<void()> wake);
  Multiplex(const Multiplex&) = delete;
  Multiplex& operator=(const Multiplex&) = delete;
  ~Multiplex();

  // To be set before anything is received; outlives the Multiplex or its on_gone().
  void set_observer(Observer& observer);

  // ---- Channels ----
  // A new channel; its header goes ahead of everything sent. Nothing (zero) when the session is
  // over or the far side takes no more streams.
  ChannelId open(const StreamHeader& header);
  void send(ChannelId id, Bytes octets);  // kControlChannel and byte streams
  // False if the datagram is dropped: over 65535 octets, or no such channel.
  bool send_datagram(ChannelId id, const TransportAddress& local, const TransportAddress& remote,
                     Bytes datagram, TimePoint now);
  void half_close(ChannelId id);  // after what is queued
  void reset(ChannelId id);       // drops what is queued; no handler is called for it any more
  // While a channel is paused its octets wait here: at most one window (256 KiB) of them.
  void pause(ChannelId id, bool paused);
  std::size_t queued(ChannelId id) const;  // octets that wait to be committed to the session

  // ---- The session ----
  bool attached() const;
  bool gone() const;
  // Ends the session for good and tells the far side. on_gone() is not called for it.
  void close(CloseCode code, std::string_view text);
  // The same for whoever runs the connections, and on_gone() is called: a session replaced,
  // revoked, or no longer known to the far side.
  void end(CloseCode code, const Error& why, TimePoint now);
  std::optional<Duration> round_trip() const;  // of the current connection, smoothed
  std::uint64_t connection_number() const;     // of the current connection; 0: none yet
  const SessionId& session() const;
  Counts counts() const;
  std::size_t channels() const;
  // TLS exporter (RFC 8446 section 7.5) of the current connection; false when there is none.
  bool export_key(std::string_view label, Bytes context, MutableBytes out) const;

  // ---- Connections: the side that dials ----
  // The hello to send on a new TLS connection; `exporter` is that connection's key of
  // kResumeExporterLabel. While another connection is attached, this makes before it breaks.
  Hello hello(const InstanceId& instance, const ExporterKey& exporter,
              WayKind way = WayKind::Untold);
  // The far side accepted that hello; an error is final for `link` only.
  Result<void> attach(std::unique_ptr<Link> link, const Hello& hello, const HelloAccept& accept,
                      TimePoint now);

  // ---- Connections: the side that accepts ----
  // Why `hello` may not take this session over; nothing if it may.
  std::optional<Refusal> judge(const Hello& hello, const ExporterKey& exporter) const;
  // After judge(), or as the session's first: sends hello-accept on the link and attaches it.
  Result<void> accept(std::unique_ptr<Link> link, const Hello& hello, WallTime wall_now,
                      TimePoint now);

  // ---- Octets and time in ----
  void on_received(std::uint64_t connection_number, Bytes octets, TimePoint now);
  void on_drained(std::uint64_t connection_number, TimePoint now);
  void on_broken(std::uint64_t connection_number, const Error& why, TimePoint now);
  void on_time(TimePoint now);
  void flush(TimePoint now);
  std::optional<TimePoint> next_deadline() const;
  void probe(TimePoint now);  // asks the far side for a sign of life now; see last_heard()
  TimePoint last_heard() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::mux
