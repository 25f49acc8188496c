#include "agent/way_finder.h"

#include <algorithm>
#include <utility>

namespace sallyport::agent {
namespace {

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

std::string refusal(const codec::http::ConnectAnswer& answer, bool had_credentials) {
  const std::string code = " (" + std::to_string(answer.status) + ")";
  switch (answer.status) {
    case 401:  // what tinyproxy says to a wrong password
    case 407:
      if (answer.status == 407 && !answer.takes_basic)
        return "the proxy does not take Basic authentication" + code;
      return (had_credentials ? "the proxy refuses this user and password"
                              : "the proxy wants a user and a password") +
             code;
    case 403:
      return "the proxy does not allow it" + code;
    default:
      return (answer.status < 500 ? "the proxy refuses" : "the proxy cannot reach the server") +
             code;
  }
}

}  // namespace

struct WayFinder::Attempt {
  Trial& trial;
  TransportAddress address;
  TimePoint deadline;
  std::unique_ptr<net::Stream> stream{};
  // Of a way through a proxy:
  enum class Phase : std::uint8_t { Connecting, Asking, Tunnelling } phase = Phase::Connecting;
  codec::http::ConnectAnswerReader answer{};
  std::unique_ptr<net::Timer> timer{};
};

struct WayFinder::Trial {
  Way way;
  Duration patience;
  std::unique_ptr<net::Timer> timer;
  std::vector<TransportAddress> addresses{};  // still to be tried, the next one last
  std::list<Attempt> attempts{};
  bool over = false;
  Errc code = Errc::NotFound;
  std::string why{};
  const HostPort& target() const { return way.proxy ? way.proxy->address : way.server; }
};

WayFinder::WayFinder(net::Network& network, Settings settings, std::vector<Way> ways,
                     OnFound on_found, OnFailed on_failed)
    : network_(network),
      settings_(std::move(settings)),
      ways_(std::move(ways)),
      on_found_(std::move(on_found)),
      on_failed_(std::move(on_failed)),
      way_timer_(network.make_timer()) {
  std::reverse(ways_.begin(), ways_.end());
  try_next_way();
}

WayFinder::~WayFinder() = default;

void WayFinder::try_next_way() {
  trials_.push_back(
      {.way = std::move(ways_.back()),
       .patience = trials_.empty() ? settings_.patience : settings_.patience_with_others,
       .timer = network_.make_timer()});
  ways_.pop_back();
  Trial& trial = trials_.back();
  if (ways_.empty())
    way_timer_->stop();
  else
    way_timer_->start(network_.now() + settings_.way_delay, [this] { try_next_way(); });
  if (const auto address = trial.target().literal()) {
    trial.addresses = {*address};
    return try_next_address(trial);
  }
  network_.resolve(
      trial.target().host, net::DnsType::Address,
      [this, &trial, alive = std::weak_ptr{alive_}](const std::vector<net::DnsRecord>& records) {
        if (alive.lock()) try_addresses(trial, records);
      });
}

void WayFinder::try_addresses(Trial& trial, const std::vector<net::DnsRecord>& records) {
  trial.addresses = in_turn(records, trial.target().port);
  std::reverse(trial.addresses.begin(), trial.addresses.end());
  if (!trial.addresses.empty()) return try_next_address(trial);
  trial.why = trial.way.proxy ? "no address for the proxy's name" : "no address for this name";
  give_up(trial);
}

void WayFinder::try_next_address(Trial& trial) {
  Attempt& attempt =
      trial.attempts.emplace_back(Attempt{.trial = trial,
                                          .address = trial.addresses.back(),
                                          .deadline = network_.now() + trial.patience});
  trial.addresses.pop_back();
  net::Stream::Handler handler;
  handler.on_connected = [this, &attempt] { on_connected(attempt); };
  handler.on_received = [this, &attempt](Bytes octets) { on_proxy_answered(attempt, octets); };
  handler.on_half_closed = [this, &attempt] {
    lose(attempt, Errc::Closed, "closed without an answer");
  };
  handler.on_closed = [this, &attempt](const Error& why) {
    lose(attempt, why.code, std::string{why.what});
  };
  net::ConnectOptions options;
  options.timeout = trial.patience;
  if (!trial.way.proxy) options.tls = settings_.tls;
  attempt.stream = network_.connect(attempt.address, options, std::move(handler));
  if (trial.addresses.empty() || settings_.address_delay == Duration::zero())
    return trial.timer->stop();
  trial.timer->start(network_.now() + settings_.address_delay,
                     [this, &trial] { try_next_address(trial); });
}

// By TCP and, straight or through the tunnel, by TLS.
void WayFinder::on_connected(Attempt& attempt) {
  if (attempt.trial.way.proxy && attempt.phase == Attempt::Phase::Connecting)
    return ask_proxy(attempt);
  if (attempt.stream->alpn() != settings_.alpn)
    return lose(attempt, Errc::Unsupported, "not a Sallyport");
  succeed(attempt);
}

void WayFinder::ask_proxy(Attempt& attempt) {
  attempt.phase = Attempt::Phase::Asking;
  attempt.stream->send(as_bytes(
      codec::http::encode_connect(attempt.trial.way.server, attempt.trial.way.proxy->credentials)));
  attempt.timer = network_.make_timer();
  attempt.timer->start(attempt.deadline,
                       [this, &attempt] { lose(attempt, Errc::Unreachable, "no answer in time"); });
}

void WayFinder::on_proxy_answered(Attempt& attempt, Bytes octets) {
  // A server says nothing before it has been greeted, and TLS lets nothing else through.
  if (attempt.phase != Attempt::Phase::Asking)
    return lose(attempt, Errc::BadValue, "it speaks before it is spoken to");
  const auto answer = attempt.answer.feed(octets);
  if (!answer) return lose(attempt, answer.error().code, std::string{answer.error().what});
  if (!*answer) return;
  if (!(*answer)->opens_tunnel())
    return lose(attempt, Errc::Unreachable,
                refusal(**answer, attempt.trial.way.proxy->credentials.has_value()));
  // In TLS the client speaks first: these octets are not the server's.
  if (!attempt.answer.rest().empty())
    return lose(attempt, Errc::BadValue, "the proxy says more than that the tunnel is open");
  attempt.phase = Attempt::Phase::Tunnelling;
  attempt.stream->start_tls(settings_.tls, false);
}

void WayFinder::lose(Attempt& attempt, Errc code, std::string what) {
  Trial& trial = attempt.trial;
  trial.code = code;
  if (trial.way.proxy && attempt.phase != Attempt::Phase::Tunnelling &&
      !what.starts_with("the proxy"))
    what = "the proxy: " + what;
  trial.why = std::move(what);
  trial.attempts.remove_if([&attempt](const Attempt& other) { return &other == &attempt; });
  if (!trial.addresses.empty()) return try_next_address(trial);
  if (trial.attempts.empty()) give_up(trial);
}

void WayFinder::give_up(Trial& trial) {
  trial.over = true;
  if (!ways_.empty()) return try_next_way();
  if (std::any_of(trials_.begin(), trials_.end(), [](const Trial& it) { return !it.over; })) return;
  std::vector<WayFailure> failures;
  for (const Trial& it : trials_) failures.push_back({it.way, it.code, it.why});
  const OnFailed on_failed = std::move(on_failed_);
  on_failed(failures);
}

void WayFinder::succeed(Attempt& attempt) {
  Found found{
      .way = attempt.trial.way, .remote = attempt.address, .stream = std::move(attempt.stream)};
  found.stream->set_handler({});
  way_timer_->stop();
  alive_.reset();
  ways_.clear();
  trials_.clear();
  const OnFound on_found = std::move(on_found_);
  on_found(std::move(found));
}

}  // namespace sallyport::agent
