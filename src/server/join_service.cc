#include "server/join_service.h"

#include <utility>

namespace sallyport::server {

using enrolment::Joined;
using enrolment::JoinRefusal;
using enrolment::Refused;

struct JoinService::Conversation {
  std::unique_ptr<net::Stream> stream;
  std::unique_ptr<net::Timer> timer;
  std::string line;
  bool answered = false;
};

JoinService::JoinService(Enrolment& enrolment, net::Network& network, Log& log,
                         std::function<enrolment::Site()> site)
    : JoinService(enrolment, network, log, std::move(site), Limits{}) {}

JoinService::JoinService(Enrolment& enrolment, net::Network& network, Log& log,
                         std::function<enrolment::Site()> site, Limits limits)
    : enrolment_(enrolment),
      network_(network),
      log_(log),
      site_(std::move(site)),
      limits_(limits) {}

JoinService::~JoinService() = default;

void JoinService::serve(std::unique_ptr<net::Stream> stream) {
  const std::uint64_t id = ++last_id_;
  auto& conversation = *conversations_.emplace(id, std::make_unique<Conversation>()).first->second;
  conversation.stream = std::move(stream);
  conversation.timer = network_.make_timer();
  conversation.timer->start(network_.now() + limits_.patience, [this, id] { end(id); });

  net::Stream::Handler handler;
  handler.on_received = [this, id](Bytes octets) { on_received(id, octets); };
  handler.on_half_closed = [this, id] { end(id); };
  handler.on_closed = [this, id](const Error&) { end(id); };
  conversation.stream->set_handler(std::move(handler));
  if (conversations_.size() > limits_.conversations)
    answer(conversation, Refused{JoinRefusal::Overloaded, "too many agents join; try again"});
}

void JoinService::on_received(std::uint64_t id, Bytes octets) {
  const auto it = conversations_.find(id);
  if (it == conversations_.end() || it->second->answered) return;
  Conversation& conversation = *it->second;
  conversation.line += as_text(octets);
  const std::size_t end_of_line = conversation.line.find('\n');
  if (end_of_line == std::string::npos) {
    if (conversation.line.size() > enrolment::kMaxLine) end(id);
    return;
  }
  const auto request =
      enrolment::parse_join_request(std::string_view{conversation.line}.substr(0, end_of_line));
  if (!request)
    return answer(conversation, Refused{JoinRefusal::Malformed, std::string{request.error().what}});
  answer(conversation, enrolment_.join(*request, site_(), network_.wall_now()));
}

void JoinService::answer(Conversation& conversation, const enrolment::JoinReply& reply) {
  conversation.answered = true;
  const std::string from = conversation.stream->remote().to_string();
  if (const Refused* refused = std::get_if<Refused>(&reply)) {
    // Only who holds a token of ours is worth a line: a stranger could fill the log with others.
    const bool worth_a_line = refused->code == JoinRefusal::Used ||
                              refused->code == JoinRefusal::Expired ||
                              refused->code == JoinRefusal::Internal;
    log_.event(worth_a_line ? Level::Warning : Level::Debug, "join refused",
               {{"remote", from}, {"why", name(refused->code)}, {"what", refused->what}});
  } else {
    const auto& joined = std::get<Joined>(reply);
    log_.info("agent joined", {{"agent", joined.name}, {"id", joined.id.value}, {"remote", from}});
  }
  // The agent reads to the end and closes; if it does not, the timer does.
  conversation.stream->send(as_bytes(encode(reply)));
  conversation.stream->half_close();
}

// Not at once: this may be called from a handler of the very stream.
void JoinService::end(std::uint64_t id) {
  network_.post([this, id, alive = std::weak_ptr<bool>{alive_}] {
    if (!alive.expired()) conversations_.erase(id);
  });
}

}  // namespace sallyport::server
