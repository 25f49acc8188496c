#include "agent/dialler.h"

#include <algorithm>
#include <utility>

namespace sallyport::agent {
namespace {

// A connection that broke within so short a time was no success: without this, a server that
// accepts and drops would be dialled without a pause.
constexpr Duration kShortLived = seconds{2};
constexpr Duration kPatienceWithOthers = seconds{3};
constexpr Duration kLeastBetweenPathChanges = seconds{1};

// RFC 8305 section 4: the families take turns, IPv6 first.
std::vector<TransportAddress> in_turn(const std::vector<net::DnsRecord>& records,
                                      std::uint16_t port) {
  std::vector<TransportAddress> v6;
  std::vector<TransportAddress> v4;
  for (const net::DnsRecord& record : records)
    (record.address.is_v6() ? v6 : v4).push_back({record.address, port});
  std::vector<TransportAddress> out;
  for (std::size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
    if (i < v6.size()) out.push_back(v6[i]);
    if (i < v4.size()) out.push_back(v4[i]);
  }
  return out;
}

// Repeating it changes nothing before a person does something.
bool is_final(mux::RefusalCode code) {
  switch (code) {
    case mux::RefusalCode::WrongVersion:
    case mux::RefusalCode::BadToken:
    case mux::RefusalCode::UnknownAgent:
    case mux::RefusalCode::RevokedAgent:
    case mux::RefusalCode::CertificateExpired:
      return true;
    default:
      return false;
  }
}

// The session cannot be resumed, whatever is tried; a new one may be begun.
bool ends_session(mux::RefusalCode code) {
  switch (code) {
    case mux::RefusalCode::NoSuchSession:
    case mux::RefusalCode::BadProof:
    case mux::RefusalCode::StaleConnection:
    case mux::RefusalCode::Malformed:
    case mux::RefusalCode::UnknownAgent:
    case mux::RefusalCode::RevokedAgent:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct Dialler::Attempt {
  TransportAddress address;
  std::unique_ptr<net::Stream> stream;
  mux::Hello hello{};
  mux::RecordReader reader{};
};

Dialler::Dialler(net::Network& network, Random& random, Settings settings, Observer& observer)
    : network_(network),
      random_(random),
      settings_(std::move(settings)),
      observer_(observer),
      instance_(random.array<16>()),
      attempt_timer_(network.make_timer()),
      answer_timer_(network.make_timer()),
      wait_timer_(network.make_timer()),
      cycle_timer_(network.make_timer()) {}

Dialler::~Dialler() = default;

void Dialler::start() {
  stopped_ = false;
  begin_session();
  dial();
}

void Dialler::stop(mux::CloseCode code) {
  stopped_ = true;
  end_dial();
  wait_timer_->stop();
  cycle_timer_->stop();
  if (driver_) driver_->end(code, Error{.code = Errc::Closed, .what = "the agent is stopped"});
}

const mux::Multiplex* Dialler::session() const { return driver_ ? &driver_->multiplex() : nullptr; }

std::optional<TransportAddress> Dialler::server() const {
  return connected() ? server_ : std::nullopt;
}

bool Dialler::connected() const { return driver_ && driver_->multiplex().attached(); }

// ---- Sessions ----

void Dialler::begin_session() {
  driver_ =
      std::make_unique<mux::Driver>(network_, mux::Multiplex::Role::Dialling, settings_.multiplex,
                                    random_, [this] { session_changed(); });
  observer_.on_session(driver_->multiplex());
}

// After every event of the session: has it lost its connection, or is it over?
void Dialler::session_changed() {
  if (stopped_ || renewing_) return;
  if (driver_->multiplex().gone()) return renew_session();
  if (connected() || dialling_ || waiting_ || !server_) return;
  // It was attached, and is no more.
  server_.reset();
  cycle_timer_->stop();
  if (network_.now() - attached_at_ >= kShortLived) failures_ = 0;
  const bool at_once = failures_ == 0;
  const Duration pause = next_wait();
  ++failures_;
  if (at_once) {
    dial();
  } else {
    wait(pause);
  }
}

// Posted, since the session that is over may be in the middle of saying so.
void Dialler::renew_session() {
  renewing_ = true;
  network_.post([this, alive = std::weak_ptr{alive_}] {
    if (!alive.lock() || stopped_) return;
    renewing_ = false;
    server_.reset();
    cycle_timer_->stop();
    if (greeting_) end_dial();  // with the hello of the session that is over
    begin_session();
    // Whoever waits, after a refusal or a failure, goes on waiting.
    if (!dialling_ && !waiting_) wait(next_wait());
  });
}

// ---- Dialling ----

void Dialler::path_changed() {
  const TimePoint now = network_.now();
  if (path_changed_at_ && now - *path_changed_at_ < kLeastBetweenPathChanges) return;
  path_changed_at_ = now;
  failures_ = 0;
  redial();
}

void Dialler::redial() {
  if (stopped_ || renewing_ || greeting_) return;
  end_dial();  // what was dialled by the old path may never answer
  dial();
}

// The server that served last has the session and most likely the right way to it: it is tried
// every other time, so that one in the list that only swallows packets does not keep us from it.
std::size_t Dialler::server_to_dial() const {
  if (good_ && tries_ % 2 == 0) return *good_;
  return next_server_ % settings_.servers.size();
}

// Another one is not worth more patience while the last one may be back.
Duration Dialler::patience() const {
  if (!good_ || dialled_ == *good_) return settings_.answer_timeout;
  return std::min(settings_.answer_timeout, kPatienceWithOthers);
}

void Dialler::next_server() {
  if (!good_ || dialled_ != *good_) ++next_server_;
  ++tries_;
}

void Dialler::dial() {
  wait_timer_->stop();
  waiting_ = false;
  dialling_ = true;
  dial_started_ = network_.now();
  dialled_ = server_to_dial();
  const HostPort& server = settings_.servers[dialled_];
  if (const auto address = server.literal()) {
    addresses_ = {*address};
    return try_next_address();
  }
  network_.resolve(server.host, net::DnsType::Address,
                   [this, number = ++dial_number_,
                    alive = std::weak_ptr{alive_}](const std::vector<net::DnsRecord>& records) {
                     if (alive.lock() && number == dial_number_ && dialling_)
                       dial_addresses(records);
                   });
}

void Dialler::dial_addresses(const std::vector<net::DnsRecord>& records) {
  const HostPort& server = settings_.servers[dialled_];
  addresses_ = in_turn(records, server.port);
  std::reverse(addresses_.begin(), addresses_.end());
  if (addresses_.empty())
    return fail(Error{.code = Errc::NotFound, .what = "no address for the server's name"});
  try_next_address();
}

void Dialler::try_next_address() {
  auto attempt = std::make_unique<Attempt>();
  Attempt& made = *attempt;
  made.address = addresses_.back();
  addresses_.pop_back();
  net::Stream::Handler handler;
  handler.on_connected = [this, &made] { on_attempt_connected(made); };
  handler.on_received = [this, &made](Bytes octets) { on_attempt_received(made, octets); };
  handler.on_half_closed = [this, &made] {
    on_attempt_closed(made, Error{.code = Errc::Closed, .what = "closed without an answer"});
  };
  handler.on_closed = [this, &made](const Error& why) { on_attempt_closed(made, why); };
  net::ConnectOptions options;
  options.tls = settings_.tls;
  options.timeout = patience();
  attempts_.push_back(std::move(attempt));
  made.stream = network_.connect(made.address, options, std::move(handler));
  if (!addresses_.empty() && settings_.attempt_delay > Duration::zero())
    attempt_timer_->start(network_.now() + settings_.attempt_delay, [this] { try_next_address(); });
}

// The first one that connects is greeted; the others are given up.
void Dialler::on_attempt_connected(Attempt& attempt) {
  if (greeting_) return;
  const auto exporter = mux::resume_exporter(*attempt.stream);
  if (attempt.stream->alpn() != mux::kAlpn || !exporter)
    return on_attempt_closed(attempt, Error{.code = Errc::Unsupported, .what = "not a Sallyport"});
  greeting_ = true;
  attempt_timer_->stop();
  addresses_.clear();
  std::erase_if(attempts_, [&attempt](const auto& other) { return other.get() != &attempt; });
  attempt.hello = driver_->multiplex().hello(instance_, *exporter);
  Buffer octets;
  encode(attempt.hello, octets);
  attempt.stream->send(octets);
  answer_timer_->start(network_.now() + settings_.answer_timeout, [this] {
    fail(Error{.code = Errc::Unreachable, .what = "the server did not answer"});
  });
}

void Dialler::on_attempt_received(Attempt& attempt, Bytes octets) {
  attempt.reader.feed(octets);
  const auto record = attempt.reader.next();
  if (!record) return fail(record.error());
  if (!*record) return;
  const mux::Record& answer = **record;
  if (answer.type == mux::RecordType::HelloAccept) {
    const auto accept = mux::parse_hello_accept(answer.body);
    return accept ? on_accepted(attempt, *accept) : fail(accept.error());
  }
  if (answer.type == mux::RecordType::Refuse) {
    const auto refusal = mux::parse_refusal(answer.body);
    return refusal ? on_refused(attempt, *refusal) : fail(refusal.error());
  }
  fail(Error{.code = Errc::BadValue, .what = "neither hello-accept nor refuse"});
}

void Dialler::on_attempt_closed(Attempt& attempt, const Error& why) {
  const Error error = why;  // the attempt may hold what `why` refers to
  std::erase_if(attempts_, [&attempt](const auto& other) { return other.get() == &attempt; });
  if (!addresses_.empty()) return try_next_address();
  if (attempts_.empty()) fail(error);
}

void Dialler::on_accepted(Attempt& attempt, const mux::HelloAccept& accept) {
  clock_offset_ = std::chrono::duration_cast<Duration>(accept.server_time - network_.wall_now());
  const mux::Hello hello = attempt.hello;
  const Buffer rest = attempt.reader.take_rest();
  const TransportAddress address = attempt.address;
  auto stream = std::move(attempt.stream);
  end_dial();
  good_ = dialled_;
  tries_ = 0;
  attached_at_ = network_.now();
  server_ = address;
  start_cycle_timer();
  if (const auto attached = driver_->attach(std::move(stream), hello, accept, rest); !attached)
    fail(attached.error());
}

void Dialler::on_refused(Attempt& attempt, const mux::Refusal& refusal) {
  clock_offset_ = std::chrono::duration_cast<Duration>(refusal.server_time - network_.wall_now());
  const TransportAddress address = attempt.address;
  end_dial();
  // A server that has lost our session serves a new one: at once, and this one.
  const bool begin_anew = refusal.code == mux::RefusalCode::NoSuchSession &&
                          driver_->multiplex().connection_number() != 0;
  if (!begin_anew) next_server();
  const Duration pause = begin_anew ? varied(settings_.first_wait) : wait_after(refusal);
  ++failures_;
  wait(pause);
  observer_.on_refused(address, refusal);
  if (ends_session(refusal.code) && driver_->multiplex().connection_number() != 0)
    driver_->end(mux::CloseCode::Replaced, Error{.code = Errc::Closed, .what = name(refusal.code)});
}

Duration Dialler::wait_after(const mux::Refusal& refusal) {
  if (refusal.retry_after > milliseconds{0})
    return refusal.retry_after + Duration{static_cast<Duration::rep>(random_.below(
                                     static_cast<std::uint64_t>(Duration{seconds{1}}.count())))};
  if (is_final(refusal.code)) return varied(settings_.wait_when_refused);
  if (refusal.code == mux::RefusalCode::AlreadyConnected)
    return varied(settings_.wait_when_already_connected);
  return next_wait();
}

// This dial has come to nothing.
void Dialler::fail(const Error& why) {
  const HostPort server = settings_.servers[dialled_];
  end_dial();
  next_server();
  // An old connection that has been heard meanwhile still serves: nothing need be dialled.
  const bool served = connected() && driver_->multiplex().last_heard() > dial_started_;
  const Duration pause = next_wait();
  ++failures_;
  if (!served) wait(pause);
  observer_.on_unreachable(server, why);
}

void Dialler::end_dial() {
  dialling_ = false;
  greeting_ = false;
  ++dial_number_;
  attempt_timer_->stop();
  answer_timer_->stop();
  addresses_.clear();
  attempts_.clear();
}

// ---- Waiting ----

void Dialler::wait(Duration duration) {
  waiting_ = true;
  wait_timer_->start(network_.now() + duration, [this] { dial(); });
}

// 0.3 s, 0.6 s, ... up to the longest.
Duration Dialler::next_wait() {
  Duration duration = settings_.first_wait;
  for (unsigned i = 1; i < failures_ && duration < settings_.longest_wait; ++i) duration *= 2;
  return varied(std::min(duration, settings_.longest_wait));
}

// Between half of it and half as much again, so that a thousand agents do not come back at once.
Duration Dialler::varied(Duration duration) {
  const auto span = static_cast<std::uint64_t>(duration.count()) + 1;
  return duration / 2 + Duration{static_cast<Duration::rep>(random_.below(span))};
}

void Dialler::start_cycle_timer() {
  if (!settings_.cycle_every) return;
  cycle_timer_->start(network_.now() + varied(*settings_.cycle_every), [this] {
    start_cycle_timer();
    redial();
  });
}

}  // namespace sallyport::agent
