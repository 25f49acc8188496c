#include "agent/server_session.h"

#include "control.pb.h"

namespace sallyport::agent {
namespace {

constexpr media::KeyRingId kOwnKeys{1};  // an agent has one server at a time

}  // namespace

ServerSession::ServerSession(mux::Multiplex& multiplex, const ServerSessionContext& context)
    : context_(context),
      control_(multiplex, context.network,
               {.on_message = [this](const auto& message) { return on_message(message); },
                .on_attached =
                    [this](std::uint64_t number) {
                      attached_ = true;
                      install_media_keys();
                      context_.log.info("connected to the server", {{"connection", number}});
                    },
                .on_detached =
                    [this](const Error& why) {
                      attached_ = false;
                      context_.log.warning("connection to the server lost", {{"why", why.what}});
                    },
                .on_gone =
                    [this](const Error& why) {
                      // The multiplex ends with this call: nothing may speak to it any more.
                      control_.set_part(nullptr);
                      edge_.reset();
                      context_.plane.forget_keys(kOwnKeys);
                      context_.on_over(why);
                    }}),
      slave_(control_) {
  control_.send(
      control::make_hello(context_.modes, edge::kChosenByEdge | 1U, context_.network.wall_now()));
}

ServerSession::~ServerSession() { control_.set_part(nullptr); }

// Each TLS connection has keys of its own. The server has them already: it made them before it
// said that it takes the connection.
void ServerSession::install_media_keys() {
  if (!welcomed_ || !welcomed_->aead) return;
  mux::Multiplex& multiplex = control_.multiplex();
  media::KeysOfConnection keys{.connection = multiplex.connection_number(),
                               .algorithm = *welcomed_->aead,
                               .sends = media::Direction::AgentToServer};
  if (multiplex.export_key(media::kMediaExporterLabel, {}, keys.secret))
    context_.plane.install_keys(kOwnKeys, keys);
}

void ServerSession::request_certificate(const std::string& signing_request) {
  control::wire::Envelope message;
  message.mutable_renew_certificate()->set_request(signing_request);
  control_.send(message);
}

Result<void> ServerSession::on_message(const control::wire::Envelope& message) {
  if (message.has_welcome()) return on_welcome(message);
  if (message.has_refusal()) {
    context_.log.error("the server refuses", {{"why", message.refusal().what()}});
    return fail(Errc::NotPermitted, "refused by the server");
  }
  if (message.has_new_certificate()) {
    context_.on_certificate(message.new_certificate().certificate(),
                            message.new_certificate().what());
    return {};
  }
  return fail(Errc::Unsupported, "not a message for an agent");
}

Result<void> ServerSession::on_welcome(const control::wire::Envelope& message) {
  if (edge_) return fail(Errc::BadValue, "a second Welcome");
  auto welcomed =
      control::read_welcome(message.welcome(), context_.modes, context_.network.wall_now());
  if (!welcomed) return tl::make_unexpected(welcomed.error());
  welcomed_ = std::move(*welcomed);
  install_media_keys();
  edge_ = std::make_unique<edge::LocalEdge>(
      context_.network, context_.plane, context_.policy, context_.audit, context_.log,
      edge::LocalEdgeOptions{.commander = "server",
                             .advertised = {},
                             .certificates = context_.certificates,
                             .listen = context_.listen,
                             .is_server = context_.is_server,
                             .ring = kOwnKeys,
                             .reach_key = "policy.terminals",
                             .first_accepted_id = welcomed_->first_accepted_id},
      slave_);
  slave_.set_edge(*edge_);
  slave_.set_media_watcher(context_.on_media_event);
  control_.set_part(&slave_);
  context_.on_ready(*welcomed_);
  return {};
}

}  // namespace sallyport::agent
