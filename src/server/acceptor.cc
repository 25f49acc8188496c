#include "server/acceptor.h"

#include <algorithm>
#include <utility>

#include "edge/media_stream.h"

namespace sallyport::server {

struct Acceptor::Greeting {
  std::unique_ptr<net::Stream> stream;
  std::unique_ptr<net::Timer> timer;
  mux::RecordReader reader{};
  bool greeted = false;
  // Once greeted: waits until the session that exists has proven, or not, that it lives.
  mux::Hello hello{};
  Peer peer{};
  TimePoint asked_at{};
};

Acceptor::Acceptor(net::Network& network, Random& random, Settings settings, Observer& observer)
    : network_(network), random_(random), settings_(std::move(settings)), observer_(observer) {}

Acceptor::~Acceptor() = default;

Result<std::unique_ptr<Acceptor>> Acceptor::open(net::Network& network, Random& random,
                                                 Settings settings, Observer& observer) {
  std::unique_ptr<Acceptor> acceptor{
      new Acceptor{network, random, std::move(settings), observer}};  // its constructor is private
  net::ListenOptions options;
  options.tls = acceptor->settings_.tls;
  options.max_handshakes = acceptor->settings_.max_handshakes;
  for (const TransportAddress& local : acceptor->settings_.local) {
    auto listener = network.listen(local, options,
                                   [self = acceptor.get()](std::unique_ptr<net::Stream> stream) {
                                     self->on_stream(std::move(stream));
                                   });
    if (!listener) return tl::make_unexpected(listener.error());
    acceptor->listeners_.push_back(std::move(*listener));
  }
  if (acceptor->listeners_.empty()) return fail(Errc::BadValue, "no address to listen on");
  return acceptor;
}

// ---- Connections that have not said who they are ----

void Acceptor::on_stream(std::unique_ptr<net::Stream> stream) {
  ++counts_.accepted;
  if (stream->alpn() == kJoinAlpn) return observer_.on_join(std::move(stream));
  if (stream->alpn() == edge::kMediaAlpn) return on_media_stream(std::move(stream));
  if (stream->alpn() != mux::kAlpn) return;
  if (greetings_.size() >= settings_.max_greeting) {
    ++counts_.unspoken;
    greetings_.pop_front();
  }
  auto made = std::make_unique<Greeting>();
  Greeting& greeting = *made;
  greeting.stream = std::move(stream);
  greeting.timer = network_.make_timer();
  greetings_.push_back(std::move(made));
  greeting.timer->start(network_.now() + settings_.hello_timeout, [this, &greeting] {
    ++counts_.unspoken;
    drop(greeting);
  });
  net::Stream::Handler handler;
  handler.on_received = [this, &greeting](Bytes octets) { on_received(greeting, octets); };
  handler.on_half_closed = [this, &greeting] { drop(greeting); };
  handler.on_closed = [this, &greeting](const Error& /*why*/) { drop(greeting); };
  greeting.stream->set_handler(std::move(handler));
}

// Nothing is said before the media itself: whoever is refused finds the connection closed.
void Acceptor::on_media_stream(std::unique_ptr<net::Stream> stream) {
  const Buffer certificate = stream->peer_certificate();
  const Verdict verdict = certificate.empty() || stopping_
                              ? Verdict{mux::Refusal{}}
                              : observer_.judge(certificate, network_.wall_now());
  const Peer* peer = std::get_if<Peer>(&verdict);
  if (peer == nullptr || !sessions_.contains(peer->agent) || !within_rate()) {
    ++counts_.refused;
    return;
  }
  observer_.on_media_stream(*peer, std::move(stream));
}

void Acceptor::on_received(Greeting& greeting, Bytes octets) {
  if (greeting.greeted) return drop(greeting);  // nothing may follow hello before its answer
  greeting.reader.feed(octets);
  const auto record = greeting.reader.next();
  const mux::Refusal malformed{.code = mux::RefusalCode::Malformed,
                               .text = "the first record is no hello"};
  if (!record) return refuse(greeting, malformed);
  if (!*record) return;
  if ((*record)->type != mux::RecordType::Hello) return refuse(greeting, malformed);
  const auto hello = mux::parse_hello((*record)->body);
  if (!hello) return refuse(greeting, malformed);
  greeting.greeted = true;
  on_hello(greeting, *hello);
}

void Acceptor::on_hello(Greeting& greeting, const mux::Hello& hello) {
  if (stopping_)
    return refuse(greeting, {.code = mux::RefusalCode::Stopping, .text = "the server is stopped"});
  if (!hello.speaks(mux::kVersion))
    return refuse(greeting,
                  {.code = mux::RefusalCode::WrongVersion, .text = "this server speaks version 1"});
  const Buffer certificate = greeting.stream->peer_certificate();
  if (certificate.empty())
    return refuse(greeting,
                  {.code = mux::RefusalCode::UnknownAgent, .text = "no certificate was shown"});
  const Verdict verdict = observer_.judge(certificate, network_.wall_now());
  if (const auto* refusal = std::get_if<mux::Refusal>(&verdict)) return refuse(greeting, *refusal);
  // Of those who are let in only: what strangers do takes nothing from them.
  if (!within_rate()) {
    ++counts_.rate_limited;
    const auto spread = milliseconds{static_cast<int>(random_.below(4000))};
    return refuse(greeting, {.code = mux::RefusalCode::Overloaded,
                             .retry_after = milliseconds{1000} + spread,
                             .text = "too many agents connect at once"});
  }
  const Peer& peer = std::get<Peer>(verdict);
  const auto exporter = mux::resume_exporter(*greeting.stream);
  if (!exporter) return drop(greeting);
  if (hello.resumes()) return resume(greeting, hello, peer, *exporter);
  begin(greeting, hello, peer);
}

void Acceptor::resume(Greeting& greeting, const mux::Hello& hello, const Peer& peer,
                      const mux::ExporterKey& exporter) {
  const auto it = sessions_.find(peer.agent);
  // A session is its agent's only: another's certificate finds nothing.
  if (it == sessions_.end() || it->second.driver->multiplex().gone() ||
      it->second.driver->multiplex().session() != hello.session)
    return refuse(greeting, {.code = mux::RefusalCode::NoSuchSession,
                             .text = "the session has ended; begin a new one"});
  Session& session = it->second;
  if (auto refusal = session.driver->multiplex().judge(hello, exporter))
    return refuse(greeting, std::move(*refusal));
  session.remote = greeting.stream->remote();
  session.way = hello.way;
  ++counts_.resumed;
  const auto owned = take(greeting);
  // An error drops the stream; the session is as before.
  static_cast<void>(
      session.driver->accept(std::move(owned->stream), hello, owned->reader.take_rest()));
}

// ---- New sessions ----

void Acceptor::begin(Greeting& greeting, const mux::Hello& hello, const Peer& peer) {
  greeting.hello = hello;
  greeting.peer = peer;
  const auto it = sessions_.find(peer.agent);
  if (it == sessions_.end()) {
    if (sessions_.size() < settings_.max_sessions) return begin_now(greeting);
    return refuse(greeting, {.code = mux::RefusalCode::Overloaded,
                             .retry_after = seconds{30},
                             .text = "no more sessions"});
  }
  const Session& session = it->second;
  // The same process has given its session up; or the agent was started again, and its old
  // connection is gone. Only a session that still answers belongs to a second process.
  if (session.instance == hello.instance || !session.driver->multiplex().attached())
    return begin_now(greeting);
  await_proof_of_life(greeting, session);
}

void Acceptor::await_proof_of_life(Greeting& greeting, const Session& session) {
  greeting.asked_at = network_.now();
  greeting.timer->start(greeting.asked_at + settings_.proof_of_life,
                        [this, &greeting] { begin_now(greeting); });
  session.driver->probe();
}

// The session of this agent lives: whoever waits for its end is refused.
void Acceptor::on_proof_of_life(AgentId agent) {
  const TimePoint heard = sessions_.at(agent).driver->multiplex().last_heard();
  for (auto it = greetings_.begin(); it != greetings_.end();) {
    Greeting& greeting = **it++;
    if (greeting.peer.agent != agent || greeting.asked_at == TimePoint{} ||
        heard <= greeting.asked_at)
      continue;
    refuse(greeting, {.code = mux::RefusalCode::AlreadyConnected,
                      .text = "another process with this certificate is connected"});
  }
}

void Acceptor::begin_now(Greeting& greeting) {
  const auto owned = take(greeting);
  const AgentId agent = owned->peer.agent;
  if (const auto it = sessions_.find(agent); it != sessions_.end())
    replace(it->second, Error{.code = Errc::Closed, .what = "the agent has begun a new session"});
  Session& session = sessions_[agent];
  session.peer = owned->peer;
  session.remote = owned->stream->remote();
  session.way = owned->hello.way;
  session.instance = owned->hello.instance;
  session.driver =
      std::make_unique<mux::Driver>(network_, mux::Multiplex::Role::Accepting, settings_.multiplex,
                                    random_, [this, agent] { session_changed(agent); });
  ++counts_.sessions;
  observer_.on_session(session.peer, session.driver->multiplex());
  const auto accepted =
      session.driver->accept(std::move(owned->stream), owned->hello, owned->reader.take_rest());
  if (!accepted) session.driver->end(mux::CloseCode::InternalError, accepted.error());
}

// ---- Sessions ----

mux::Multiplex* Acceptor::find(AgentId agent) {
  const auto it = sessions_.find(agent);
  return it == sessions_.end() ? nullptr : &it->second.driver->multiplex();
}

void Acceptor::for_each(const std::function<void(const SessionView&)>& visit) const {
  for (const auto& [agent, session] : sessions_)
    visit({session.peer, session.remote, session.way, session.driver->multiplex()});
}

void Acceptor::session_changed(AgentId agent) {
  const auto it = sessions_.find(agent);
  if (it == sessions_.end() || !it->second.driver) return;
  on_proof_of_life(agent);
  if (!it->second.driver->multiplex().gone()) return;
  bury(std::move(it->second.driver));
  sessions_.erase(it);
}

// Its own events may be under way: it is destroyed after them. What is queued still leaves.
void Acceptor::bury(std::unique_ptr<mux::Driver> driver) {
  network_.post([held = std::shared_ptr<mux::Driver>{std::move(driver)}] {});
}

void Acceptor::replace(Session& session, const Error& why) {
  const AgentId agent = session.peer.agent;
  session.driver->end(mux::CloseCode::Replaced, why);
  sessions_.erase(agent);  // unless session_changed() has
}

void Acceptor::end_session(AgentId agent, mux::CloseCode code) {
  const auto it = sessions_.find(agent);
  if (it == sessions_.end()) return;
  it->second.driver->end(code, Error{.code = Errc::Closed, .what = name(code)});
}

void Acceptor::stop() {
  stopping_ = true;
  while (!sessions_.empty()) end_session(sessions_.begin()->first, mux::CloseCode::Stopping);
}

// ---- Refusing ----

void Acceptor::refuse(Greeting& greeting, mux::Refusal refusal) {
  ++counts_.refused;
  refusal.server_time = network_.wall_now();
  const auto owned = take(greeting);
  Buffer octets;
  encode(refusal, octets);
  owned->stream->send(octets);
  owned->stream->half_close();
  observer_.on_refused(owned->stream->remote(), refusal);
}

std::unique_ptr<Acceptor::Greeting> Acceptor::take(Greeting& greeting) {
  const auto it = std::find_if(greetings_.begin(), greetings_.end(),
                               [&greeting](const auto& held) { return held.get() == &greeting; });
  auto owned = std::move(*it);
  greetings_.erase(it);
  owned->timer->stop();
  return owned;
}

void Acceptor::drop(Greeting& greeting) { take(greeting); }

bool Acceptor::within_rate() {
  return hellos_.take(settings_.rate, settings_.burst, network_.now());
}

}  // namespace sallyport::server
