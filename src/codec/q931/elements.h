// The contents of those information elements of Q.931 that somebody asks about: Cause (Q.850),
// party numbers, Bearer capability, texts. Reading takes what is there and is not strict; what is
// edited keeps the octets that the edit does not name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sallyport::codec::q931 {

// Q.850 table 1, as far as H.225.0 table 5 and we use it.
enum class CauseValue : std::uint8_t {
  UnallocatedNumber = 1,
  NoRouteToDestination = 3,
  NormalCallClearing = 16,
  UserBusy = 17,
  NoUserResponding = 18,
  NoAnswerFromUser = 19,
  SubscriberAbsent = 20,
  CallRejected = 21,
  DestinationOutOfOrder = 27,
  InvalidNumberFormat = 28,
  FacilityRejected = 29,
  ResponseToStatusInquiry = 30,
  NormalUnspecified = 31,
  NoCircuitAvailable = 34,
  NetworkOutOfOrder = 38,
  TemporaryFailure = 41,
  SwitchingEquipmentCongestion = 42,
  ResourceUnavailable = 47,
  BearerNotAuthorized = 57,
  ServiceNotAvailable = 63,
  InvalidCallReference = 81,
  IncompatibleDestination = 88,
  InvalidMessage = 95,
  MandatoryElementMissing = 96,
  MessageTypeNotImplemented = 97,
  InvalidElementContents = 100,
  MessageNotCompatibleWithState = 101,
  RecoveryOnTimerExpiry = 102,
  ProtocolError = 111,
  Interworking = 127,
};

// | 1 | coding | 0 | location | , | 1 | value |; a recommendation between them and diagnostics
// behind them are left alone.
struct Cause {
  CauseValue value = CauseValue::NormalCallClearing;
  std::uint8_t location = 0;  // Q.850 table 2: 0 user, 5 private network, 10 beyond interworking
  std::uint8_t coding = 0;    // 0: ITU-T
  friend bool operator==(const Cause&, const Cause&) = default;
};
std::optional<Cause> parse_cause(Bytes contents);
Buffer encode(const Cause& cause);

// Calling, called, connected and redirecting party number: what is said of the number, and its
// digits.
struct PartyNumber {
  Buffer header;  // octets 3, 3a and 3b, the last with its highest bit set
  std::string digits;

  std::uint8_t type() const { return header.front() >> 4U & 7U; }  // 0 unknown, 1 international
  std::uint8_t plan() const { return header.front() & 15U; }       // 0 unknown, 1 E.164, 9 private
  friend bool operator==(const PartyNumber&, const PartyNumber&) = default;
};
std::optional<PartyNumber> parse_party_number(Bytes contents);
// Q.931 4.5.8 and 4.5.10; without presentation and screening.
PartyNumber make_party_number(std::string_view digits, std::uint8_t type = 0,
                              std::uint8_t plan = 1);
Buffer encode(const PartyNumber& number);

// Q.931 4.5.5: what the call wants of a bearer, in units of 64 kbit/s.
struct BearerCapability {
  std::uint8_t transfer = 8;  // 0 speech, 8 unrestricted digital
  unsigned channels = 1;      // of 64 kbit/s
  friend bool operator==(const BearerCapability&, const BearerCapability&) = default;
};
std::optional<BearerCapability> parse_bearer_capability(Bytes contents);
// Layer 1 is H.221 and H.242, as H.225.0 table 6 has it for video.
Buffer encode(const BearerCapability& bearer);

// Display and Keypad facility: IA5 text, without the NUL that some endpoints end it with.
std::string_view text(Bytes contents);

}  // namespace sallyport::codec::q931
