#include "agent/join.h"

#include <utility>

namespace sallyport::agent {
namespace {

constexpr auto kPatience = seconds{10};  // for a server's answer, once it is connected

}  // namespace

Join::Join(net::Network& network, enrolment::Token token, OnDone on_done)
    : network_(network),
      token_(std::move(token)),
      on_done_(std::move(on_done)),
      key_(net::PrivateKey::generate()),
      timer_(network.make_timer()) {
  net::TlsClientConfig config;
  config.alpn = {std::string{enrolment::kJoinAlpn}};
  config.verify = net::VerifyServer::Pin;
  config.pins = {token_.pin};
  auto context = net::TlsContext::client(config);
  if (context) tls_ = *context;
  later([this] { resolve_next(); });
}

Join::~Join() = default;

void Join::resolve_next() {
  if (next_server_ == token_.servers.size()) {
    if (failure_.what.empty()) failure_.what = tried_;
    return done(fail(Errc::Unreachable, "the server did not let this agent join"));
  }
  server_ = token_.servers[next_server_++];
  if (const auto literal = server_.literal()) {
    to_dial_ = {*literal};
    return dial_next();
  }
  network_.resolve(
      server_.host, net::DnsType::Address,
      [this, alive = std::weak_ptr<bool>{alive_}](const std::vector<net::DnsRecord>& found) {
        if (alive.expired()) return;
        to_dial_.clear();
        for (const net::DnsRecord& record : found)
          to_dial_.push_back({record.address, server_.port});
        if (found.empty()) note_tried("no such name");
        dial_next();
      });
}

void Join::dial_next() {
  stream_.reset();
  line_.clear();
  if (to_dial_.empty()) return resolve_next();
  const TransportAddress remote = to_dial_.front();
  to_dial_.erase(to_dial_.begin());

  net::ConnectOptions options;
  options.tls = net::TlsOptions{tls_, ""};
  net::Stream::Handler handler;
  handler.on_connected = [this] {
    const auto request = net::make_signing_request(key_, "sallyport agent");
    if (!request) return done(tl::make_unexpected(request.error()));
    const enrolment::JoinRequest join{token_.secret, *request, "sallyport " SALLYPORT_VERSION};
    stream_->send(as_bytes(encode(join)));
    timer_->start(network_.now() + kPatience, [this] {
      on_closed({Errc::Unreachable, "connected, but no answer"});
    });
  };
  handler.on_received = [this](Bytes octets) { on_received(octets); };
  handler.on_closed = [this](const Error& why) { on_closed(why); };
  handler.on_half_closed = [this] { on_closed({Errc::Closed, "closed without an answer"}); };
  stream_ = network_.connect(remote, options, std::move(handler));
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
  note_tried(why.what);
  if (why.code == Errc::NotPermitted)
    failure_ = {JoinFailure::WrongServer,
                server_.to_string() +
                    ": what answers there does not hold the key that the token names. Someone "
                    "stands between, or the server was set up anew: ask for a new token"};
  // From the loop, since this may be a handler of the stream that ends here.
  later([this] { dial_next(); });
}

void Join::note_tried(std::string_view what) {
  if (!tried_.empty()) tried_ += "; ";
  tried_ += server_.to_string() + ": " + std::string{what};
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
