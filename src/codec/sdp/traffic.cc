#include "codec/sdp/traffic.h"

#include <algorithm>
#include <array>
#include <string>

#include "codec/text.h"

namespace sallyport::codec::sdp {
namespace {

constexpr std::uint64_t kHeaderBits = (20 + 8 + 12) * 8ULL;  // IPv4, UDP, RTP
constexpr std::uint64_t kPacketTime = 20;                    // ms; RFC 3551 4.2
constexpr std::uint64_t kLargestPayloadBits = 1200 * 8ULL;   // of what is cut to fit, as video is
constexpr std::uint64_t kUnknownAudio = 128'000;
constexpr std::uint64_t kVideo = 2'000'000;  // that says nothing itself
constexpr Traffic kOther{50, 64'000};        // T.38, BFCP, H.224: small and rare

struct Codec {
  std::string_view name;  // as rtpmap has it
  int payload_type;       // static (RFC 3551 table 4), or -1
  std::uint64_t bits;     // the payload's, at most, a second
};
constexpr std::array<Codec, 29> kAudio{{
    {"PCMU", 0, 64'000},     {"GSM", 3, 13'200},
    {"G723", 4, 6'400},      {"DVI4", 5, 32'000},
    {"DVI4", 6, 64'000},     {"LPC", 7, 5'600},
    {"PCMA", 8, 64'000},     {"G722", 9, 64'000},
    {"L16", 10, 1'411'200},  {"L16", 11, 705'600},
    {"QCELP", 12, 13'000},   {"CN", 13, 1'000},
    {"MPA", 14, 448'000},    {"G728", 15, 16'000},
    {"G729", 18, 8'000},     {"telephone-event", -1, 2'000},
    {"iLBC", -1, 15'200},    {"G726-16", -1, 16'000},
    {"G726-24", -1, 24'000}, {"G726-32", -1, 32'000},
    {"G726-40", -1, 40'000}, {"AMR", -1, 12'800},
    {"AMR-WB", -1, 24'600},  {"G7221", -1, 48'000},
    {"G719", -1, 128'000},   {"speex", -1, 44'000},
    {"SILK", -1, 40'000},    {"EVS", -1, 128'000},
    {"opus", -1, 96'000},
}};

std::string_view take_format(std::string_view& formats) {
  formats = trim_left(formats);
  return take_until(formats, ' ');
}

// What rtpmap calls this payload type; empty: it is a static one, or nobody says.
std::string_view encoding(const std::vector<std::string_view>& maps, std::string_view format) {
  for (std::string_view map : maps)
    if (take_until(map, ' ') == format) return trim(map.substr(0, map.find('/')));
  return {};
}

std::uint64_t audio_bits(const std::vector<std::string_view>& maps, std::string_view format) {
  const std::string_view name = encoding(maps, format);
  for (const Codec& codec : kAudio) {
    const bool same = name.empty()
                          ? codec.payload_type >= 0 && format == std::to_string(codec.payload_type)
                          : codec.payload_type != 10 && equals_without_case(codec.name, name);
    if (same) return codec.bits;
  }
  return kUnknownAudio;
}

std::uint64_t payload_bits(const Description& description, std::size_t index) {
  const Media& media = description.media()[index];
  if (media.kind != "audio") return kVideo;
  const auto maps = description.attributes(index, "rtpmap");
  std::uint64_t most = 0;
  std::string_view formats = media.formats;
  for (auto format = take_format(formats); !format.empty(); format = take_format(formats))
    most = std::max(most, audio_bits(maps, format));
  return most;
}

// Packets a second of audio, by a=ptime; of anything else, by what must be cut to fit.
std::uint64_t packet_rate(const Description& description, std::size_t index, std::uint64_t bits) {
  if (description.media()[index].kind != "audio") return bits / kLargestPayloadBits + 1;
  const auto times = description.attributes(index, "ptime");
  const auto time = times.empty() ? std::nullopt : decimal(times.front(), 1000);
  return 1000 / std::max<std::uint64_t>(time.value_or(kPacketTime), 1);
}

}  // namespace

Traffic traffic(const Description& description, std::size_t index) {
  const Media& media = description.media()[index];
  if (media.port == 0) return {};
  if (media.kind != "audio" && media.kind != "video") return kOther;
  if (const auto payload = description.bandwidth(index, "TIAS")) {
    const std::uint64_t packets = packet_rate(description, index, *payload);
    return {packets, *payload + packets * kHeaderBits};
  }
  if (const auto whole = description.bandwidth(index, "AS"))
    return {packet_rate(description, index, 1000 * *whole), 1000 * *whole};
  const std::uint64_t payload = payload_bits(description, index);
  const std::uint64_t packets = packet_rate(description, index, payload);
  return {packets, payload + packets * kHeaderBits};
}

Traffic traffic(const Description& description) {
  Traffic sum;
  for (std::size_t i = 0; i < description.media().size(); ++i) {
    const Traffic one = traffic(description, i);
    sum.packets += one.packets;
    sum.bits += one.bits;
  }
  if (const auto whole = description.session_bandwidth("AS"))
    sum.bits = std::min(sum.bits, 1000 * *whole);
  return sum;
}

}  // namespace sallyport::codec::sdp
