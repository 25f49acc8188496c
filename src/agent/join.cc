#include "agent/join.h"

#include <algorithm>
#include <utility>

namespace sallyport::agent {
namespace {

constexpr auto kPatience = seconds{10};  // for a server's answer, once it is connected

}  // namespace

Join::Join(net::Network& network, enrolment::Token token, const std::optional<HttpProxy>& proxy,
           OnDone on_done)
    : network_(network),
      token_(std::move(token)),
      on_done_(std::move(on_done)),
      key_(net::PrivateKey::generate()),
      servers_(ladders(token_.servers, proxy)),
      timer_(network.make_timer()) {
  net::TlsClientConfig config;
  config.alpn = {std::string{enrolment::kJoinAlpn}};
  config.verify = net::VerifyServer::Pin;
  config.pins = {token_.pin};
  auto context = net::TlsContext::client(config);
  if (context) tls_ = *context;
  std::reverse(servers_.begin(), servers_.end());
  later([this] { dial_next(); });
}

Join::~Join() = default;

void Join::dial_next() {
  stream_.reset();
  line_.clear();
  if (servers_.empty()) {
    if (failure_.what.empty()) failure_.what = to_string(tried_);
    return done(fail(Errc::Unreachable, "the server did not let this agent join"));
  }
  std::vector<Way> ways = std::move(servers_.back().ways);
  servers_.pop_back();
  finder_ = std::make_unique<WayFinder>(
      network_, WayFinder::Settings{.tls = {tls_, ""}, .alpn = std::string{enrolment::kJoinAlpn}},
      std::move(ways), [this](WayFinder::Found found) { ask(std::move(found)); },
      [this](const std::vector<WayFailure>& tried) { on_failed(tried); });
}

void Join::ask(WayFinder::Found found) {
  finder_.reset();
  way_ = std::move(found.way);
  stream_ = std::move(found.stream);
  net::Stream::Handler handler;
  handler.on_received = [this](Bytes octets) { on_received(octets); };
  handler.on_closed = [this](const Error& why) { on_closed(why); };
  handler.on_half_closed = [this] { on_closed({Errc::Closed, "closed without an answer"}); };
  stream_->set_handler(std::move(handler));
  const auto request = net::make_signing_request(key_, "sallyport agent");
  if (!request) return done(tl::make_unexpected(request.error()));
  const enrolment::JoinRequest join{token_.secret, *request, "sallyport " SALLYPORT_VERSION};
  stream_->send(as_bytes(encode(join)));
  timer_->start(network_.now() + kPatience, [this] {
    on_closed({Errc::Unreachable, "connected, but no answer"});
  });
}

void Join::on_received(Bytes octets) {
  line_ += as_text(octets);
  const std::size_t end_of_line = line_.find('\n');
  if (end_of_line == std::string::npos) {
    if (line_.size() > enrolment::kMaxLine)
      on_closed({Errc::Exhausted, "an answer without an end"});
    return;
  }
  const auto reply = enrolment::parse_join_reply(std::string_view{line_}.substr(0, end_of_line));
  if (!reply) return on_closed(reply.error());
  if (const auto* refused = std::get_if<enrolment::Refused>(&*reply)) {
    // Another address of the same server would say the same.
    failure_ = {JoinFailure::Refused, refused->what};
    return done(fail(Errc::NotPermitted, "the server refused"));
  }
  enrolment::Joined joined = std::get<enrolment::Joined>(*reply);
  if (joined.site.servers.empty()) joined.site.servers = token_.servers;
  done(make_identity(joined, token_.pin, key_));
}

void Join::on_closed(const Error& why) {
  timer_->stop();
  on_failed({{way_, why.code, std::string{why.what}}});
}

void Join::on_failed(const std::vector<WayFailure>& tried) {
  for (const WayFailure& one : tried) {
    tried_.push_back(one);
    if (one.code == Errc::NotPermitted)
      failure_ = {JoinFailure::WrongServer,
                  one.way.to_string() +
                      ": what answers there does not hold the key that the token names. Someone "
                      "stands between, or the server was set up anew: ask for a new token"};
  }
  // From the loop, since this may be a handler of the stream that ends here.
  later([this] { dial_next(); });
}

void Join::done(Result<Identity> result) {
  timer_->stop();
  if (!result && failure_.what.empty())
    failure_ = {JoinFailure::Refused, std::string{result.error().what}};
  later([this, result = std::move(result)]() mutable {
    stream_.reset();
    const OnDone on_done = std::exchange(on_done_, {});
    if (on_done) on_done(std::move(result), failure_);
  });
}

void Join::later(std::function<void()> work) {
  network_.post([work = std::move(work), alive = std::weak_ptr<bool>{alive_}] {
    if (!alive.expired()) work();
  });
}

}  // namespace sallyport::agent
