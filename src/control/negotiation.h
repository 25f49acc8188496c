// The opening exchange of the control protocol as a function: each side states what it can and will
// accept, its own configuration decides, and no common mode is a clear refusal. No state, no I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "media/seal.h"

namespace sallyport::control {

namespace wire {
class Envelope;
class Hello;
class Welcome;
}  // namespace wire

constexpr std::uint32_t kVersion = 1;

enum class Mode : std::uint8_t { ServerMaster = 1, AgentMaster = 2, Guarded = 3 };
std::string_view name(Mode mode);  // "server_master"
Result<Mode> parse_mode(std::string_view text);

// X and Y as the agent is to reach them, one of each for each address family.
struct MediaAddresses {
  std::vector<TransportAddress> rtp;   // X
  std::vector<TransportAddress> rtcp;  // Y; equal to X in one-port mode
  std::uint16_t alternative_port = 0;  // takes what X takes, where X does not get through; 0: none
  friend bool operator==(const MediaAddresses&, const MediaAddresses&) = default;
};

struct Welcomed {
  Mode mode = Mode::ServerMaster;
  std::uint64_t first_accepted_id = 0;
  MediaAddresses media;
  std::string agent_name;
  std::string server_software;
  Duration clock_offset{};                   // the server's clock minus ours, to the travel time
  std::optional<media::SealAlgorithm> aead;  // what trunks are sealed with; none: no such server
};

struct ServerSide {
  std::vector<Mode> modes;  // accepted, best first
  MediaAddresses media;
  std::string agent_name;
  std::uint64_t first_accepted_id = 0;
};

// Whether the agent that said so can carry media on trunks.
bool can_tag(const wire::Hello& hello);
// What both can seal with: AES where both have it in hardware.
std::optional<media::SealAlgorithm> common_aead(const wire::Hello& hello);

wire::Envelope make_hello(const std::vector<Mode>& modes, std::uint64_t first_accepted_id,
                          WallTime wall_now);
// A Welcome or a Refusal, and the mode if there is one. The server's order of preference counts.
std::pair<wire::Envelope, std::optional<Mode>> answer_hello(const wire::Hello& hello,
                                                            const ServerSide& side,
                                                            WallTime wall_now);
// BadValue when the Welcome cannot be: a mode that was not offered, no addresses, another version.
Result<Welcomed> read_welcome(const wire::Welcome& welcome, const std::vector<Mode>& offered,
                              WallTime wall_now);

}  // namespace sallyport::control
