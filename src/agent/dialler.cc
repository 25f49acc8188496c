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

WayFailure failure(const Way& way, const Error& why) {
  return {.way = way, .code = why.code, .what = std::string{why.what}};
}

}  // namespace

Dialler::Dialler(net::Network& network, Random& random, Settings settings, Observer& observer)
    : network_(network),
      random_(random),
      settings_(std::move(settings)),
      observer_(observer),
      instance_(random.array<16>()),
      ladders_(ladders(settings_.servers, settings_.proxy)),
      answer_timer_(network.make_timer()),
      wait_timer_(network.make_timer()),
      cycle_timer_(network.make_timer()),
      better_timer_(network.make_timer()) {}

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
  better_timer_->stop();
  if (driver_) driver_->end(code, Error{.code = Errc::Closed, .what = "the agent is stopped"});
}

const mux::Multiplex* Dialler::session() const { return driver_ ? &driver_->multiplex() : nullptr; }

std::optional<TransportAddress> Dialler::remote() const {
  return connected() && serving_ ? std::optional{serving_->remote} : std::nullopt;
}

const Way* Dialler::way() const { return connected() && serving_ ? &serving_->way : nullptr; }

std::optional<TransportAddress> Dialler::server() const {
  if (!connected() || !serving_) return std::nullopt;
  return serving_->way.proxy ? serving_->way.server.literal() : std::optional{serving_->remote};
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
  if (connected() || !serving_) return;
  if (only_better_ && !greeting_) end_dial();
  if (dialling_ || waiting_) return;
  // It was attached, and is no more.
  serving_.reset();
  cycle_timer_->stop();
  better_timer_->stop();
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
    serving_.reset();
    cycle_timer_->stop();
    better_timer_->stop();
    // With the hello of the session that is over; or beside a connection that is gone.
    if (greeting_ || only_better_) end_dial();
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
  return next_server_ % ladders_.size();
}

// Another one is not worth more patience while the last one may be back.
Duration Dialler::patience() const {
  if (!good_ || dialled_ == *good_) return settings_.answer_timeout;
  return std::min(settings_.answer_timeout, kPatienceWithOthers);
}

// Nor is another way, at first: the server may be back any moment, by the way that served. Later
// they get what a slow proxy needs.
Duration Dialler::patience_with_other_ways() const {
  if (good_ != dialled_ || tries_ != 0) return patience();
  return std::min(settings_.answer_timeout, kPatienceWithOthers);
}

void Dialler::next_server() {
  if (!good_ || dialled_ != *good_) ++next_server_;
  ++tries_;
}

void Dialler::dial() {
  wait_timer_->stop();
  waiting_ = false;
  dialled_ = server_to_dial();
  find_way(ladders_[dialled_].good_first(), patience(), patience_with_other_ways());
}

void Dialler::find_way(std::vector<Way> ways, Duration patience, Duration patience_with_others) {
  dialling_ = true;
  dial_started_ = network_.now();
  finder_ = std::make_unique<WayFinder>(
      network_,
      WayFinder::Settings{.tls = settings_.tls,
                          .alpn = std::string{mux::kAlpn},
                          .patience = patience,
                          .patience_with_others = patience_with_others,
                          .way_delay = settings_.way_delay},
      std::move(ways), [this](WayFinder::Found found) { greet(std::move(found)); },
      [this](const std::vector<WayFailure>& tried) { fail(tried); });
}

// Make before break: the connection that serves goes on until a better one is accepted, and if none
// is to be had nothing has happened.
void Dialler::look_for_better_way() {
  start_better_timer();
  if (renewing_ || dialling_ || waiting_ || !connected()) return;
  only_better_ = true;
  dialled_ = *good_;
  const Duration patience = std::min(settings_.answer_timeout, kPatienceWithOthers);
  find_way(ladders_[dialled_].better_than_good(), patience, patience);
}

void Dialler::greet(WayFinder::Found found) {
  finder_.reset();
  greeting_.emplace(Greeting{
      .way = std::move(found.way), .remote = found.remote, .stream = std::move(found.stream)});
  net::Stream& stream = *greeting_->stream;
  const auto exporter = mux::resume_exporter(stream);
  if (!exporter) return fail(exporter.error());
  net::Stream::Handler handler;
  handler.on_received = [this](Bytes octets) { on_received(octets); };
  handler.on_half_closed = [this] {
    fail(Error{.code = Errc::Closed, .what = "closed without an answer"});
  };
  handler.on_closed = [this](const Error& why) { fail(why); };
  stream.set_handler(std::move(handler));
  greeting_->hello = driver_->multiplex().hello(instance_, *exporter, greeting_->way.kind);
  Buffer octets;
  encode(greeting_->hello, octets);
  stream.send(octets);
  answer_timer_->start(network_.now() + settings_.answer_timeout, [this] {
    fail(Error{.code = Errc::Unreachable, .what = "the server did not answer"});
  });
}

void Dialler::on_received(Bytes octets) {
  mux::RecordReader& reader = greeting_->reader;
  reader.feed(octets);
  const auto record = reader.next();
  if (!record) return fail(record.error());
  if (!*record) return;
  const mux::Record& answer = **record;
  if (answer.type == mux::RecordType::HelloAccept) {
    const auto accept = mux::parse_hello_accept(answer.body);
    return accept ? on_accepted(*accept) : fail(accept.error());
  }
  if (answer.type == mux::RecordType::Refuse) {
    const auto refusal = mux::parse_refusal(answer.body);
    return refusal ? on_refused(*refusal) : fail(refusal.error());
  }
  fail(Error{.code = Errc::BadValue, .what = "neither hello-accept nor refuse"});
}

void Dialler::on_accepted(const mux::HelloAccept& accept) {
  clock_offset_ = std::chrono::duration_cast<Duration>(accept.server_time - network_.wall_now());
  Greeting greeting = std::move(*greeting_);
  const Buffer rest = greeting.reader.take_rest();
  end_dial();
  good_ = dialled_;
  ladders_[dialled_].served(greeting.way);
  tries_ = 0;
  attached_at_ = network_.now();
  serving_ = Serving{.way = greeting.way, .remote = greeting.remote};
  start_cycle_timer();
  start_better_timer();
  const auto attached = driver_->attach(std::move(greeting.stream), greeting.hello, accept, rest);
  if (!attached) return fail(std::vector{failure(greeting.way, attached.error())});
  if (std::exchange(last_way_, greeting.way) != greeting.way) observer_.on_way(greeting.way);
}

void Dialler::on_refused(const mux::Refusal& refusal) {
  clock_offset_ = std::chrono::duration_cast<Duration>(refusal.server_time - network_.wall_now());
  const Way way = greeting_->way;
  const bool only_better = only_better_;
  end_dial();
  if (only_better && !ends_session(refusal.code)) return session_changed();  // the other one serves
  // A server that has lost our session serves a new one: at once, and this one.
  const bool begin_anew = refusal.code == mux::RefusalCode::NoSuchSession &&
                          driver_->multiplex().connection_number() != 0;
  if (!begin_anew) next_server();
  const Duration pause = begin_anew ? varied(settings_.first_wait) : wait_after(refusal);
  ++failures_;
  wait(pause);
  observer_.on_refused(way, refusal);
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

void Dialler::fail(const Error& why) { fail(std::vector{failure(greeting_->way, why)}); }

// This dial has come to nothing.
void Dialler::fail(const std::vector<WayFailure>& tried) {
  const bool only_better = only_better_;
  end_dial();
  if (only_better) return session_changed();  // which may have lost its connection meanwhile
  next_server();
  // An old connection that has been heard meanwhile still serves: nothing need be dialled.
  const bool served = connected() && driver_->multiplex().last_heard() > dial_started_;
  const Duration pause = next_wait();
  ++failures_;
  if (!served) wait(pause);
  observer_.on_unreachable(tried);
}

void Dialler::end_dial() {
  dialling_ = false;
  only_better_ = false;
  answer_timer_->stop();
  finder_.reset();
  greeting_.reset();
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

void Dialler::start_better_timer() {
  if (ladders_[*good_].good == 0) return better_timer_->stop();
  better_timer_->start(network_.now() + varied(settings_.better_way_after),
                       [this] { look_for_better_way(); });
}

}  // namespace sallyport::agent
