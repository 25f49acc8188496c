#include "media/probe.h"

#include <algorithm>

#include "media/datagram_type.h"

namespace sallyport::media {
namespace {

// Fills a fixed array from the left.
class FixedWriter {
 public:
  explicit FixedWriter(MutableBytes out) : out_(out) {}
  void u8(std::uint8_t value) { out_[at_++] = value; }
  void u64(std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) u8(static_cast<std::uint8_t>(value >> shift));
  }
  void bytes(Bytes from) {
    std::copy(from.begin(), from.end(), out_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ += from.size();
  }

 private:
  MutableBytes out_;
  std::size_t at_ = 0;
};

std::array<std::uint8_t, 8> octets_of(std::uint64_t value) {
  std::array<std::uint8_t, 8> out{};
  FixedWriter{out}.u64(value);
  return out;
}

// Type and version; what follows is the reader's.
Result<void> expect(Reader& in, DatagramType type) {
  const std::uint8_t first = in.u8();
  const std::uint8_t version = in.u8();
  if (!in.ok()) return fail(Errc::Truncated, "type and version", in.offset());
  if (first != static_cast<std::uint8_t>(type)) return fail(Errc::BadValue, "another type", 0);
  if (version != kProbeVersion) return fail(Errc::Unsupported, "another version", 1);
  return {};
}

// Probe and confirmation have one shape; they differ in the first and third octets.
ProbeDatagram encode(DatagramType type, std::uint8_t third, const Token& token,
                     std::uint64_t counter, const Challenge& challenge, const FlowKey& key,
                     TagMaker& tags) {
  ProbeDatagram out{};
  FixedWriter write{out};
  write.u8(static_cast<std::uint8_t>(type));
  write.u8(kProbeVersion);
  write.u8(third);
  write.u8(0);
  write.bytes(token);
  write.u64(counter);
  write.bytes(challenge);
  write.bytes(tags.make(key, Bytes{out}.first(kProbeSigned)));
  return out;
}

}  // namespace

Result<Probe> parse_probe(Bytes datagram) {
  Reader in{datagram};
  if (const auto begun = expect(in, DatagramType::Probe); !begun)
    return tl::make_unexpected(begun.error());
  in.skip(2);
  Probe out;
  out.token = in.array<16>();
  out.counter = in.u64();
  out.echo = in.array<8>();
  out.tag = in.array<16>();
  if (!in.ok()) return fail(Errc::Truncated, "probe", in.offset());
  return out;
}

Result<Confirmation> parse_confirmation(Bytes datagram) {
  Reader in{datagram};
  if (const auto begun = expect(in, DatagramType::Confirmation); !begun)
    return tl::make_unexpected(begun.error());
  const std::uint8_t status = in.u8();
  in.skip(1);
  Confirmation out;
  out.token = in.array<16>();
  out.counter = in.u64();
  const std::uint64_t clock_or_challenge = in.u64();
  out.tag = in.array<16>();
  if (!in.ok()) return fail(Errc::Truncated, "confirmation", in.offset());
  if (status != static_cast<std::uint8_t>(ConfirmationStatus::Bound) &&
      status != static_cast<std::uint8_t>(ConfirmationStatus::Challenged))
    return fail(Errc::Unsupported, "status", 2);
  out.status = static_cast<ConfirmationStatus>(status);
  if (out.status == ConfirmationStatus::Bound)
    out.clock = clock_or_challenge;
  else
    out.challenge = octets_of(clock_or_challenge);
  return out;
}

Result<void> parse_probe_please(Bytes datagram) {
  Reader in{datagram};
  if (auto begun = expect(in, DatagramType::ProbePlease); !begun) return begun;
  in.skip(2);
  if (!in.ok()) return fail(Errc::Truncated, "probe please", in.offset());
  return {};
}

ProbeDatagram encode(const Probe& probe, const FlowKey& key, TagMaker& tags) {
  return encode(DatagramType::Probe, 0, probe.token, probe.counter, probe.echo, key, tags);
}

ProbeDatagram encode(const Confirmation& confirmation, const FlowKey& key, TagMaker& tags) {
  return encode(DatagramType::Confirmation, static_cast<std::uint8_t>(confirmation.status),
                confirmation.token, confirmation.counter,
                confirmation.status == ConfirmationStatus::Bound ? octets_of(confirmation.clock)
                                                                 : confirmation.challenge,
                key, tags);
}

std::array<std::uint8_t, kProbePleaseSize> encode_probe_please() {
  return {static_cast<std::uint8_t>(DatagramType::ProbePlease), kProbeVersion, 0, 0};
}

}  // namespace sallyport::media
