#include "control/negotiation.h"

#include <algorithm>
#include <array>

#include "control/values.h"

namespace sallyport::control {
namespace {

constexpr std::string_view kSoftware = "sallyport " SALLYPORT_VERSION;
constexpr std::size_t kMaxMediaAddresses = 8;

std::uint64_t wall_ms(WallTime wall) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<milliseconds>(wall.time_since_epoch()).count());
}

// Best first.
std::array<wire::Aead, 2> our_aeads() {
  if (media::has_fast_aes()) return {wire::AES_128_GCM, wire::CHACHA20_POLY1305};
  return {wire::CHACHA20_POLY1305, wire::AES_128_GCM};
}

wire::Envelope refusal(wire::Refusal::Reason reason, std::string what) {
  wire::Envelope out;
  out.mutable_refusal()->set_reason(reason);
  out.mutable_refusal()->set_what(std::move(what));
  return out;
}

}  // namespace

std::string_view name(Mode mode) {
  switch (mode) {
    case Mode::ServerMaster:
      return "server_master";
    case Mode::AgentMaster:
      return "agent_master";
    case Mode::Guarded:
      return "guarded";
  }
  return "unknown";
}

Result<Mode> parse_mode(std::string_view text) {
  for (const Mode mode : {Mode::ServerMaster, Mode::AgentMaster, Mode::Guarded})
    if (text == name(mode)) return mode;
  return fail(Errc::BadValue, "a mode is server_master, agent_master or guarded");
}

wire::Envelope make_hello(const std::vector<Mode>& modes, std::uint64_t first_accepted_id,
                          WallTime wall_now) {
  wire::Envelope out;
  wire::Hello& hello = *out.mutable_hello();
  hello.set_version(kVersion);
  hello.set_software(std::string{kSoftware});
  for (const Mode mode : modes) hello.add_modes(static_cast<wire::Mode>(mode));
  hello.set_wall_clock_ms(wall_ms(wall_now));
  hello.set_first_accepted_id(first_accepted_id);
  hello.add_carriages(wire::BOUND);
  hello.add_carriages(wire::TAGGED);
  for (const wire::Aead aead : our_aeads()) hello.add_aeads(aead);
  return out;
}

bool can_tag(const wire::Hello& hello) {
  return std::find(hello.carriages().begin(), hello.carriages().end(), int{wire::TAGGED}) !=
         hello.carriages().end();
}

std::optional<media::SealAlgorithm> common_aead(const wire::Hello& hello) {
  const auto& theirs = hello.aeads();
  const auto has = [&](wire::Aead aead) {
    return std::find(theirs.begin(), theirs.end(), int{aead}) != theirs.end();
  };
  const bool both_prefer_aes = !theirs.empty() && theirs[0] == int{wire::AES_128_GCM} &&
                               our_aeads().front() == wire::AES_128_GCM;
  if (!both_prefer_aes && has(wire::CHACHA20_POLY1305))
    return media::SealAlgorithm::ChaCha20Poly1305;
  if (has(wire::AES_128_GCM)) return media::SealAlgorithm::Aes128Gcm;
  return std::nullopt;
}

std::pair<wire::Envelope, std::optional<Mode>> answer_hello(const wire::Hello& hello,
                                                            const ServerSide& side,
                                                            WallTime wall_now) {
  if (hello.version() != kVersion)
    return {
        refusal(wire::Refusal::VERSION, "this server speaks version " + std::to_string(kVersion) +
                                            " of the control protocol, the agent version " +
                                            std::to_string(hello.version())),
        std::nullopt};
  const auto common = std::find_if(side.modes.begin(), side.modes.end(), [&](Mode mode) {
    return std::find(hello.modes().begin(), hello.modes().end(), static_cast<int>(mode)) !=
           hello.modes().end();
  });
  if (common == side.modes.end()) {
    std::string ours;
    for (const Mode mode : side.modes) ours.append(ours.empty() ? "" : ", ").append(name(mode));
    return {refusal(wire::Refusal::NO_COMMON_MODE, "this server accepts: " + ours), std::nullopt};
  }
  wire::Envelope out;
  wire::Welcome& welcome = *out.mutable_welcome();
  welcome.set_version(kVersion);
  welcome.set_software(std::string{kSoftware});
  welcome.set_mode(static_cast<wire::Mode>(*common));
  welcome.set_first_accepted_id(side.first_accepted_id);
  encode_all(side.media.rtp, *welcome.mutable_media()->mutable_rtp());
  encode_all(side.media.rtcp, *welcome.mutable_media()->mutable_rtcp());
  welcome.mutable_media()->set_alternative_port(side.media.alternative_port);
  welcome.set_wall_clock_ms(wall_ms(wall_now));
  welcome.set_agent_name(side.agent_name);
  if (const auto aead = common_aead(hello)) welcome.set_aead(static_cast<wire::Aead>(*aead));
  return {std::move(out), *common};
}

Result<Welcomed> read_welcome(const wire::Welcome& welcome, const std::vector<Mode>& offered,
                              WallTime wall_now) {
  if (welcome.version() != kVersion)
    return fail(Errc::Unsupported, "the server speaks another version of the control protocol");
  const auto mode = std::find_if(offered.begin(), offered.end(), [&](Mode m) {
    return static_cast<int>(m) == static_cast<int>(welcome.mode());
  });
  if (mode == offered.end())
    return fail(Errc::BadValue, "the server chose a mode that was not offered");
  std::optional<media::SealAlgorithm> aead;
  for (const wire::Aead each : our_aeads())
    if (welcome.aead() == each) aead = static_cast<media::SealAlgorithm>(each);
  if (!aead && welcome.aead() != wire::AEAD_NONE)
    return fail(Errc::BadValue, "the server chose an AEAD that was not offered");
  auto rtp = decode_all(welcome.media().rtp(), kMaxMediaAddresses);
  auto rtcp = decode_all(welcome.media().rtcp(), kMaxMediaAddresses);
  const std::uint32_t alternative = welcome.media().alternative_port();
  if (!rtp || !rtcp || rtp->empty() || rtp->size() != rtcp->size() || alternative > 65535)
    return fail(Errc::BadValue, "the server's media addresses");
  return Welcomed{
      .mode = *mode,
      .first_accepted_id = welcome.first_accepted_id(),
      .media = {std::move(*rtp), std::move(*rtcp), static_cast<std::uint16_t>(alternative)},
      .agent_name = welcome.agent_name(),
      .server_software = welcome.software(),
      .clock_offset = milliseconds{static_cast<std::int64_t>(welcome.wall_clock_ms()) -
                                   static_cast<std::int64_t>(wall_ms(wall_now))},
      .aead = aead};
}

}  // namespace sallyport::control
