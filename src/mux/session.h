// The resumable session: an ordered stream of octets each way that outlives the TLS connections
// that carry it. Both sides count octets; the sender keeps what the far side has not acknowledged,
// and after a break goes on, on a new connection, at the octet that the far side asks for. A new
// connection may be attached while the old one works (make before break): each side marks on the
// old one that it sends no more there, both are read until then, and what comes twice is delivered
// once. It also watches that the far side lives. After hello and hello-accept; who may resume is
// Resumption's matter, what the octets mean is Yamux's. Sans I/O; owned by Multiplex; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "mux/byte_queue.h"
#include "mux/link.h"
#include "mux/record.h"

namespace sallyport::mux {

class Session {
 public:
  class User {
   public:
    User() = default;
    User(const User&) = delete;
    User& operator=(const User&) = delete;
    virtual ~User() = default;
    // The next octets of the far side, each exactly once, in order.
    virtual void on_octets(Bytes octets, TimePoint now) = 0;
    // Appends at most `room` octets that are to be sent, the most urgent first; what it appends is
    // committed: it will arrive, in this order. Without `bulk`, leaves bulk for later.
    virtual void fill(Buffer& out, std::size_t room, bool bulk, TimePoint now) = 0;
    // Something was received on the newest connection: our answer to its hello has arrived.
    virtual void on_confirmed() = 0;
    virtual void on_detached(const Error& why) = 0;
    virtual void on_gone(const Error& why) = 0;  // once; not for our own close()
  };

  struct Settings {
    std::size_t max_unacknowledged = std::size_t{1} << 20U;
    milliseconds dead_after{15000};
    milliseconds life{60000};
    bool pings_first = false;  // the side that dialled asks, the other side need not
  };

  struct Counts {
    std::uint64_t connections = 0;
    std::uint64_t octets_sent = 0;
    std::uint64_t octets_received = 0;
    std::uint64_t octets_sent_again = 0;
    std::uint64_t octets_trimmed = 0;
  };

  Session(const Settings& settings, User& user) : settings_(settings), user_(user) {}

  // As hello-accept says, for the side that dialled.
  void set_times(milliseconds dead_after, milliseconds life);

  // A connection takes over. `declared`: the offset that our hello or hello-accept on it asked for;
  // `far_received`: that the far side's asked for. BadValue if that cannot be; then nothing changed
  // and the link is dropped.
  Result<void> attach(std::unique_ptr<Link> link, std::uint64_t number, std::uint64_t declared,
                      std::uint64_t far_received, TimePoint now);
  // What attach() would say to it.
  bool can_resume_from(std::uint64_t far_received) const { return far_received <= end(); }

  void on_received(std::uint64_t number, Bytes octets, TimePoint now);
  void on_broken(std::uint64_t number, const Error& why, TimePoint now);
  void on_time(TimePoint now);
  // Commits and sends what there is room for.
  void flush(TimePoint now);
  std::optional<TimePoint> next_deadline() const;
  void probe(TimePoint now);
  // Ends the session and tells the far side, as far as that is possible.
  void close(CloseCode code, std::string_view text);
  // The same, but found from inside: the user hears on_gone().
  void end(CloseCode code, const Error& why);

  bool attached() const { return current_.has_value() && !gone_; }
  bool gone() const { return gone_; }
  std::uint64_t received() const { return received_; }  // every octet below this offset
  std::uint64_t number() const { return number_; }
  std::optional<Duration> round_trip() const { return round_trip_; }
  TimePoint last_heard() const { return last_heard_; }
  const Counts& counts() const { return counts_; }
  bool export_key(std::string_view label, Bytes context, MutableBytes out) const;

 private:
  struct Connection {
    std::unique_ptr<Link> link;
    std::uint64_t number = 0;
    RecordReader reader{};
    std::uint64_t sent = 0;      // the offset of the next octet to send on it
    std::uint64_t received = 0;  // the offset of the next octet to come on it
    bool begun = false;          // the far side said begin
    bool switched = false;       // the far side sends no more on it
    bool skipped = false;        // `sent` has jumped: begin is to be said again before data
    // When we wait no longer: for the switch mark of an old connection, or for the new connection
    // that a switch mark has promised.
    std::optional<TimePoint> drop_at{};
  };

  Connection* find(std::uint64_t number);
  // False: stop reading this connection.
  bool on_record(Connection& connection, const Record& record, TimePoint now);
  bool on_number(Connection& connection, RecordType type, std::uint64_t number, TimePoint now);
  void on_begin(Connection& connection, std::uint64_t offset);
  void on_data(Connection& connection, Bytes octets, TimePoint now);
  void on_ack(std::uint64_t offset);
  void on_switch(Connection& connection, std::uint64_t offset, TimePoint now);
  void on_pong(std::uint64_t stamp, TimePoint now);
  void retire_current(TimePoint now);
  void detach(const Error& why, TimePoint now);
  void violated(std::string_view what);
  void send_ping(TimePoint now);
  void watch(TimePoint now);
  TimePoint ping_due() const;
  TimePoint dead_at() const;
  bool fill_record(Connection& connection, Buffer& out, TimePoint now);
  void append_ack(Buffer& out);
  std::uint64_t end() const { return acknowledged_ + kept_.size(); }

  Settings settings_;
  User& user_;
  std::optional<Connection> current_;
  std::optional<Connection> old_;  // read until its switch mark
  std::uint64_t number_ = 0;
  bool gone_ = false;

  ByteQueue kept_;  // octets [acknowledged_, end()): sent or to be sent
  std::uint64_t acknowledged_ = 0;
  std::uint64_t first_time_ = 0;  // octets below it were sent at least once
  std::uint64_t received_ = 0;
  std::uint64_t told_ = 0;  // the offset of the last ack that we sent
  std::optional<TimePoint> ack_due_;

  TimePoint last_heard_{};
  std::optional<TimePoint> ping_sent_;  // and not answered
  std::uint64_t ping_stamp_ = 0;
  std::optional<Duration> round_trip_;
  std::optional<TimePoint> life_ends_;  // while detached
  Counts counts_;
};

}  // namespace sallyport::mux
