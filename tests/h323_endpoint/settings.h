// Every choice that the H.323 endpoint of the tests leaves open: the Recommendations allow most of
// them, and some real endpoint makes each. Values; the defaults are a modern, well-behaved
// endpoint.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "base/transport_address.h"

namespace sallyport::h323_endpoint {

// What a logical channel carries.
enum class Kind : std::uint8_t {
  Audio,   // G.711, session 1
  Video,   // H.261, session 2
  Slides,  // the second video of H.239
  Camera,  // H.224/H.281 far-end camera control over RTP, session 3
  Data,    // T.120 over TCP, both ways in one channel
  Fax,     // T.38 over UDP
};
constexpr std::array kKinds = {Kind::Audio,  Kind::Video, Kind::Slides,
                               Kind::Camera, Kind::Data,  Kind::Fax};
constexpr std::string_view name(Kind kind) {
  constexpr std::array<std::string_view, kKinds.size()> kNames = {"audio",  "video", "slides",
                                                                  "camera", "data",  "fax"};
  return kNames.at(static_cast<std::size_t>(kind));
}

// The messages of call signalling in which a choice is made.
enum class At : std::uint8_t {
  Setup,
  CallProceeding,
  Alerting,
  Connect,
  AfterConnect,  // in a Facility; H.245 over TCP of its own: with reason startH245
};

enum class Proof : std::uint8_t { None, H2351, Md5, Cat };

struct Settings {
  std::string name = "alice";         // h323-ID, and what its media say
  std::vector<std::string> numbers;   // dialledDigits
  std::string url;                    // url-ID
  std::vector<std::string> prefixes;  // a gateway with these
  unsigned version = 6;               // of H.225.0: 1 to 7; what is younger is left out

  // RAS. Without a gatekeeper it is not registered and calls directly.
  std::optional<TransportAddress> gatekeeper;
  bool discovers = false;      // by GRQ first, to the gatekeeper's address
  bool asks_admission = true;  // by ARQ, unless it was granted beforehand
  std::uint32_t time_to_live = 60;
  Proof proof = Proof::None;
  std::string password;
  std::string user;  // sendersID, generalID; empty: the name

  std::uint16_t ras_port = 1719;
  std::uint16_t call_port = 1720;
  std::uint16_t first_media_port = 5000;

  // Call signalling.
  bool offers_fast_connect = true;
  // As callee: in which messages the answer to fast connect is given, repeated in each. Empty: it
  // is refused.
  std::set<At> fast_answer = {At::Alerting};
  bool tunnels = true;
  // When H.245 is begun, in Setup by the caller, later by the callee: tunnelled the first messages,
  // otherwise the address to connect to.
  At control = At::Connect;
  bool caller_begins_control = false;  // with At::AfterConnect the caller gives the address
  bool tunnels_in_body = false;  // Facility with a body (transportedInformation), not the empty one
  bool proceeds = true;          // callee: CallProceeding
  bool alerts = true;            // callee: Alerting
  Duration answers_after{};      // callee
  bool answers = true;           // callee: else it rings
  std::optional<std::uint8_t> rejects_with;  // callee: a Q.850 cause, in place of an answer
  // Several Q.931 messages in one segment, as far as they are sent within this time.
  Duration collects{};
  std::size_t cuts_into = 0;                    // octets of a segment; 0: whole messages
  std::optional<std::uint16_t> call_reference;  // to make two calls' clash
  std::optional<std::array<std::uint8_t, 16>> conference;

  // Logical channels, opened in this order.
  std::vector<Kind> channels = {Kind::Audio};
  bool data_opener_listens = false;  // T.120: else who accepts the channel does
  bool sends_media = true;
  Duration packet_every = milliseconds{20};
};

}  // namespace sallyport::h323_endpoint
