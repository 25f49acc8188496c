#include "server/agent_session.h"

#include "control.pb.h"

namespace sallyport::server {

using adapter::Place;

namespace {
// A renewal signs, and waits for the disk: no agent may keep the server busy with it.
constexpr Duration kBetweenRenewals = seconds{10};
}  // namespace

AgentSession::AgentSession(AgentId id, std::string name, mux::Multiplex& multiplex,
                           const AgentSessionContext& context)
    : id_(id),
      name_(std::move(name)),
      multiplex_(multiplex),
      context_(context),
      control_(
          multiplex, context.clocks,
          {.on_message = [this](const auto& message) { return on_message(message); },
           .on_attached =
               [this](std::uint64_t number) {
                 attached_ = true;
                 install_media_keys();
                 context_.on_attached(id_);
                 context_.log.info("agent connected", {{"agent", name_}, {"connection", number}});
               },
           .on_detached =
               [this](const Error& why) {
                 attached_ = false;
                 context_.log.warning("agent detached", {{"agent", name_}, {"why", why.what}});
               },
           .on_gone = [this](const Error& why) { end(why); }}),
      since_(context.clocks.now()) {}

AgentSession::~AgentSession() {
  if (remote_) context_.brain.detach(Place::inside(id_));
}

// Each TLS connection has keys of its own; the agent has them when it reads hello-accept.
void AgentSession::install_media_keys() {
  if (!aead_) return;
  media::KeysOfConnection made{.connection = multiplex_.connection_number(),
                               .algorithm = *aead_,
                               .sends = media::Direction::ServerToAgent};
  if (multiplex_.export_key(media::kMediaExporterLabel, {}, made.secret))
    context_.plane.install_keys(keys(), made);
}

// The multiplex ends with this call: nothing may speak to it any more.
void AgentSession::end(const Error& why) {
  context_.log.warning("agent gone", {{"agent", name_}, {"why", why.what}});
  control_.set_part(nullptr);
  if (remote_) context_.brain.detach(Place::inside(id_));
  remote_.reset();
  context_.plane.forget_keys(keys());
  context_.on_over(id_);
}

Result<std::string> AgentSession::renew(const std::string& request) {
  const TimePoint now = context_.clocks.now();
  if (renewed_at_ && now - *renewed_at_ < kBetweenRenewals)
    return fail(Errc::Exhausted, "a certificate was asked for a moment ago");
  renewed_at_ = now;
  return context_.renew(id_, request);
}

Result<void> AgentSession::on_message(const control::wire::Envelope& message) {
  if (message.has_hello()) return on_hello(message);
  if (message.has_renew_certificate()) {
    control::wire::Envelope answer;
    auto& renewed = *answer.mutable_new_certificate();
    const auto certificate = renew(message.renew_certificate().request());
    if (certificate) {
      context_.log.info("certificate renewed", {{"agent", name_}});
      renewed.set_certificate(*certificate);
    } else {
      renewed.set_what(std::string{certificate.error().what});
    }
    control_.send(answer);
    return {};
  }
  return fail(Errc::Unsupported, "not a message for a server");
}

Result<void> AgentSession::set_carriage(media::Carriage carriage) {
  if (carriage == media::Carriage::Tagged && !can_tag_)
    return fail(Errc::Unsupported, "this agent can do bound only");
  carriage_ = carriage;
  context_.log.info("carriage changed", {{"agent", name_}, {"carriage", media::name(carriage)}});
  context_.brain.set_carriage(Place::inside(id_), carriage);
  return {};
}

Result<void> AgentSession::on_hello(const control::wire::Envelope& message) {
  if (remote_) return fail(Errc::BadValue, "a second Hello");
  // Connections that this agent accepts are told from every other agent's by its number in their
  // ids.
  const std::uint64_t first_accepted = edge::kChosenByEdge | std::uint64_t{id_.value} << 32U | 1U;
  const auto [answer, mode] = control::answer_hello(message.hello(),
                                                    {.modes = context_.modes,
                                                     .media = context_.media,
                                                     .agent_name = name_,
                                                     .first_accepted_id = first_accepted},
                                                    context_.clocks.wall_now());
  control_.send(answer);
  if (!mode) return fail(Errc::Unsupported, "no common mode or version");
  software_ = message.hello().software();
  aead_ = control::common_aead(message.hello());
  install_media_keys();
  can_tag_ = control::can_tag(message.hello()) && (aead_ || !context_.sealed);
  if (can_tag_) carriage_ = context_.carriage(name_);
  remote_ = std::make_unique<edge::RemoteEdge>(
      control_, context_.brain.observer(Place::inside(id_)), first_accepted);
  control_.set_part(remote_.get());
  context_.log.info("agent ready", {{"agent", name_},
                                    {"mode", control::name(*mode)},
                                    {"software", software_},
                                    {"carriage", media::name(carriage_)}});
  context_.brain.set_carriage(Place::inside(id_), carriage_);
  context_.brain.attach(Place::inside(id_), name_, *remote_);
  return {};
}

}  // namespace sallyport::server
