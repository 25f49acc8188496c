#include "mux/session.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sallyport::mux {
namespace {

// How much may wait for the kernel in a link: little, since what is committed is not overtaken.
constexpr std::size_t kMaxInLink = std::size_t{64} << 10U;
constexpr std::size_t kMaxInLinkBulk = std::size_t{16} << 10U;
// Bulk waits while this much is on its way unacknowledged; the kernel's buffers count in it, so
// that control waits behind no more than this.
constexpr std::size_t kMaxUnacknowledgedBulk = std::size_t{256} << 10U;
// Of one data record: what goes with it (ack, begin) fits the same TLS record.
constexpr std::size_t kMaxData = kMaxRecordBody - 2 * (kRecordHeaderSize + 8);
// An ack goes at once when this much was received, else with the next data or after a short while.
constexpr std::size_t kAckAfter = std::size_t{64} << 10U;
constexpr Duration kAckDelay = milliseconds{100};
// An old connection whose switch mark does not come is dropped: its octets come on the new one too.
constexpr Duration kOldLife = seconds{5};

std::uint64_t stamp_of(TimePoint now) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count());
}

}  // namespace

void Session::set_times(milliseconds dead_after, milliseconds life) {
  settings_.dead_after = dead_after;
  settings_.life = life;
}

// ---- Connections come and go ----

Result<void> Session::attach(std::unique_ptr<Link> link, std::uint64_t number,
                             std::uint64_t declared, std::uint64_t far_received, TimePoint now) {
  if (gone_) return fail(Errc::Closed, "the session is over");
  if (number <= number_) return fail(Errc::BadValue, "connection number used before");
  if (!can_resume_from(far_received)) return fail(Errc::BadValue, "resume beyond what was sent");
  assert(declared <= received_);
  on_ack(far_received);
  if (current_) retire_current(now);
  // An ack may have overtaken the hello on the old connection; then there is less to send again.
  current_ = Connection{.link = std::move(link), .number = number, .sent = acknowledged_};
  number_ = number;
  ++counts_.connections;
  life_ends_.reset();
  last_heard_ = now;
  ping_sent_.reset();
  Buffer out;
  encode_number(RecordType::Begin, current_->sent, out);
  current_->link->send(out);
  told_ = declared;
  if (received_ != told_) ack_due_ = now;
  // The side that dialled shows at once that it got the answer, and measures the round trip.
  if (settings_.pings_first) send_ping(now);
  return {};
}

void Session::retire_current(TimePoint now) {
  if (old_) old_->link->close();
  old_ = std::move(current_);
  current_.reset();
  old_->drop_at = now + kOldLife;
  Buffer out;
  if (old_->skipped) encode_number(RecordType::Begin, old_->sent, out);
  encode_number(RecordType::Switch, old_->sent, out);
  old_->link->send(out);
  if (old_->switched) old_->link->close();
}

Session::Connection* Session::find(std::uint64_t number) {
  if (current_ && current_->number == number) return &*current_;
  if (old_ && old_->number == number) return &*old_;
  return nullptr;
}

void Session::on_broken(std::uint64_t number, const Error& why, TimePoint now) {
  if (old_ && old_->number == number) {
    old_.reset();
  } else if (current_ && current_->number == number) {
    detach(why, now);
  }
}

void Session::detach(const Error& why, TimePoint now) {
  current_.reset();
  ping_sent_.reset();
  ack_due_.reset();
  if (gone_) return;
  life_ends_ = now + settings_.life;
  user_.on_detached(why);
}

void Session::close(CloseCode code, std::string_view text) {
  if (gone_) return;
  gone_ = true;
  life_ends_.reset();
  ack_due_.reset();
  ping_sent_.reset();
  kept_.clear();
  if (old_) old_->link->close();
  if (!current_) return;
  Buffer out;
  encode(Close{.code = code, .text = std::string{text}}, out);
  current_->link->send(out);
  current_->link->close();
}

void Session::end(CloseCode code, const Error& why) {
  if (gone_) return;
  close(code, why.what);
  user_.on_gone(why);
}

void Session::violated(std::string_view what) {
  end(CloseCode::ProtocolError, Error{.code = Errc::BadValue, .what = what});
}

bool Session::export_key(std::string_view label, Bytes context, MutableBytes out) const {
  return current_ && current_->link->export_key(label, context, out);
}

// ---- In ----

void Session::on_received(std::uint64_t number, Bytes octets, TimePoint now) {
  Connection* connection = find(number);
  if (connection == nullptr || gone_) return;
  if (current_ && connection == &*current_) {
    last_heard_ = now;
    ping_sent_.reset();
    user_.on_confirmed();
  }
  connection->reader.feed(octets);
  while (true) {
    auto record = connection->reader.next();
    if (!record) return violated(record.error().what);
    if (!*record || !on_record(*connection, **record, now)) return;
  }
}

bool Session::on_record(Connection& connection, const Record& record, TimePoint now) {
  switch (record.type) {
    case RecordType::Data:
      on_data(connection, record.body, now);
      return !gone_;
    case RecordType::Begin:
    case RecordType::Ack:
    case RecordType::Switch:
    case RecordType::Ping:
    case RecordType::Pong: {
      const auto number = parse_number(record.body);
      if (number) return on_number(connection, record.type, *number, now);
      violated(number.error().what);
      return false;
    }
    case RecordType::Close: {
      const auto close_record = parse_close(record.body);
      gone_ = true;
      life_ends_.reset();
      kept_.clear();
      const CloseCode code = close_record ? close_record->code : CloseCode::ProtocolError;
      connection.link->close();
      user_.on_gone(Error{.code = Errc::Closed, .what = name(code)});
      return false;
    }
    case RecordType::Hello:
    case RecordType::HelloAccept:
    case RecordType::Refuse:
      break;
  }
  violated("a greeting in the middle of a connection");
  return false;
}

bool Session::on_number(Connection& connection, RecordType type, std::uint64_t number,
                        TimePoint now) {
  switch (type) {
    case RecordType::Begin:
      on_begin(connection, number);
      break;
    case RecordType::Ack:
      if (number > end()) {
        violated("an ack of what was never sent");
      } else {
        on_ack(number);
      }
      break;
    case RecordType::Switch:
      on_switch(connection, number, now);
      break;
    case RecordType::Ping:
      // On an old connection nothing follows our switch mark.
      if (current_ && &connection == &*current_) {
        Buffer out;
        encode_number(RecordType::Pong, number, out);
        connection.link->send(out);
      }
      break;
    default:  // Pong
      on_pong(number, now);
      break;
  }
  return !gone_;
}

// Said before the first data, and again when the sender skips what we acknowledged meanwhile.
void Session::on_begin(Connection& connection, std::uint64_t offset) {
  if (offset > received_) return violated("begin leaves octets out");
  if (connection.switched || offset < connection.received) return violated("begin goes back");
  connection.begun = true;
  connection.received = offset;
}

void Session::on_data(Connection& connection, Bytes octets, TimePoint now) {
  if (!connection.begun) return violated("data before begin");
  if (connection.switched) return violated("data after a switch");
  const std::uint64_t start = connection.received;
  connection.received += octets.size();
  if (connection.received <= received_) {  // all of it came on another connection before
    counts_.octets_trimmed += octets.size();
    return;
  }
  // No connection begins beyond what was received, so none leaves a gap.
  assert(start <= received_);
  const auto twice = static_cast<std::size_t>(received_ - start);
  counts_.octets_trimmed += twice;
  const Bytes fresh = octets.subspan(twice);
  received_ += fresh.size();
  counts_.octets_received += fresh.size();
  if (!ack_due_) ack_due_ = now + kAckDelay;
  if (received_ - told_ >= kAckAfter) ack_due_ = now;
  user_.on_octets(fresh, now);
}

void Session::on_ack(std::uint64_t offset) {
  if (offset <= acknowledged_) return;
  kept_.pop(static_cast<std::size_t>(offset - acknowledged_));
  acknowledged_ = offset;
  // The far side got by the old connection what this one was about to send again.
  if (current_ && current_->sent < acknowledged_) {
    current_->sent = acknowledged_;
    current_->skipped = true;
  }
}

void Session::on_switch(Connection& connection, std::uint64_t offset, TimePoint now) {
  if (!connection.begun || offset != connection.received || connection.switched)
    return violated("a switch mark that does not fit");
  connection.switched = true;
  if (old_ && &connection == &*old_) {
    old_->link->close();  // both marks are there
  } else {
    connection.drop_at = now + kOldLife;  // a connection that we do not know of yet takes over
  }
}

void Session::on_pong(std::uint64_t stamp, TimePoint now) {
  const std::uint64_t current = stamp_of(now);
  if (stamp == 0 || stamp != ping_stamp_ || stamp > current) return;
  ping_stamp_ = 0;
  const Duration sample = std::chrono::microseconds{current - stamp};
  round_trip_ = round_trip_ ? (*round_trip_ * 7 + sample) / 8 : sample;
}

// ---- Out ----

void Session::flush(TimePoint now) {
  if (gone_ || !current_) return;
  Connection& connection = *current_;
  Buffer out;
  while (connection.link->queued() < kMaxInLink) {
    out.clear();
    if (ack_due_ && *ack_due_ <= now) append_ack(out);
    if (!fill_record(connection, out, now) && out.empty()) break;
    if (gone_) return;
    connection.link->send(out);
  }
}

// One data record, of what is to be sent again or else of what the user commits now.
bool Session::fill_record(Connection& connection, Buffer& out, TimePoint now) {
  if (connection.sent == end() && kept_.size() < settings_.max_unacknowledged) {
    const std::size_t room = std::min(settings_.max_unacknowledged - kept_.size(), kMaxData);
    const bool bulk = kept_.size() < kMaxUnacknowledgedBulk &&
                      connection.link->queued() + out.size() < kMaxInLinkBulk;
    Buffer fresh;
    user_.fill(fresh, room, bulk, now);
    assert(fresh.size() <= room);
    counts_.octets_sent += fresh.size();
    kept_.push(fresh);
  }
  if (gone_ || connection.sent == end()) return false;
  // Whatever is to be acknowledged goes along.
  if (ack_due_) append_ack(out);
  if (std::exchange(connection.skipped, false))
    encode_number(RecordType::Begin, connection.sent, out);
  const Bytes rest =
      kept_.view().subspan(static_cast<std::size_t>(connection.sent - acknowledged_));
  const Bytes octets = rest.first(std::min(rest.size(), kMaxData));
  encode_data(octets, out);
  if (connection.sent < first_time_)
    counts_.octets_sent_again +=
        std::min<std::uint64_t>(octets.size(), first_time_ - connection.sent);
  connection.sent += octets.size();
  first_time_ = std::max(first_time_, connection.sent);
  return true;
}

void Session::append_ack(Buffer& out) {
  ack_due_.reset();
  if (told_ == received_) return;
  told_ = received_;
  encode_number(RecordType::Ack, received_, out);
}

// ---- Time ----

void Session::probe(TimePoint now) {
  if (attached()) send_ping(now);
}

void Session::send_ping(TimePoint now) {
  ping_sent_ = now;
  ping_stamp_ = stamp_of(now);
  Buffer out;
  encode_number(RecordType::Ping, ping_stamp_, out);
  current_->link->send(out);
}

// The side that dialled asks after a third of the time; its pings are a sign of life to the other
// side, which therefore asks only when they are missing.
TimePoint Session::ping_due() const {
  if (ping_sent_) return *ping_sent_ + settings_.dead_after / 3;
  return last_heard_ +
         (settings_.pings_first ? settings_.dead_after / 3 : settings_.dead_after / 2);
}

// Silence counts only if a ping went unanswered for a while: a process that was suspended finds
// its clock far ahead, and what arrived meanwhile not yet read.
TimePoint Session::dead_at() const {
  if (!ping_sent_) return TimePoint::max();
  return std::max(last_heard_ + settings_.dead_after, *ping_sent_ + settings_.dead_after / 6);
}

void Session::watch(TimePoint now) {
  if (!current_) return;
  if (now >= dead_at()) {
    detach(Error{.code = Errc::Unreachable, .what = "nothing heard"}, now);
  } else if (now >= ping_due()) {
    send_ping(now);
  }
}

void Session::on_time(TimePoint now) {
  if (old_ && old_->drop_at && now >= *old_->drop_at) old_.reset();
  if (gone_) return;
  if (current_ && current_->drop_at && now >= *current_->drop_at)
    detach(Error{.code = Errc::Closed, .what = "the far side went on without us"}, now);
  watch(now);
  if (life_ends_ && now >= *life_ends_) {
    life_ends_.reset();
    end(CloseCode::Normal, Error{.code = Errc::Unreachable, .what = "detached for too long"});
  }
}

std::optional<TimePoint> Session::next_deadline() const {
  std::optional<TimePoint> first;
  const auto consider = [&first](TimePoint due) {
    if (!first || due < *first) first = due;
  };
  if (old_ && old_->drop_at) consider(*old_->drop_at);
  if (gone_) return first;
  if (current_) {
    consider(std::min(ping_due(), dead_at()));
    if (ack_due_) consider(*ack_due_);
    if (current_->drop_at) consider(*current_->drop_at);
  }
  if (life_ends_) consider(*life_ends_);
  return first;
}

}  // namespace sallyport::mux
