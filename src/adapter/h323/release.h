// Why a call is ended or refused, as ReleaseComplete says it twice: the reason of H.225.0 in its
// UUIE, and the cause of Q.850 (H.225.0 table 5 sets them side by side). Values.
#pragma once

#include <string_view>

#include "adapter/h323/destinations.h"
#include "codec/q931/elements.h"

namespace sallyport::adapter::h323 {

struct Release {
  codec::q931::CauseValue cause = codec::q931::CauseValue::NormalCallClearing;
  // Of ReleaseCompleteReason; empty: the cause says it all.
  std::string_view reason;
};

constexpr Release kNormalClearing{codec::q931::CauseValue::NormalCallClearing, {}};
constexpr Release kCongestion{codec::q931::CauseValue::SwitchingEquipmentCongestion,
                              "gatekeeperResources"};
constexpr Release kNoUuie{codec::q931::CauseValue::MandatoryElementMissing, "undefinedReason"};
constexpr Release kBadUuie{codec::q931::CauseValue::InvalidElementContents, "undefinedReason"};
constexpr Release kBadReference{codec::q931::CauseValue::InvalidCallReference, {}};
constexpr Release kNoBandwidth{codec::q931::CauseValue::NoCircuitAvailable, "noBandwidth"};
constexpr Release kUnreachable{codec::q931::CauseValue::NoRouteToDestination,
                               "unreachableDestination"};
constexpr Release kNoResponse{codec::q931::CauseValue::NoUserResponding, "unreachableDestination"};
constexpr Release kNoAnswer{codec::q931::CauseValue::NoAnswerFromUser, "undefinedReason"};
constexpr Release kLost{codec::q931::CauseValue::TemporaryFailure, "undefinedReason"};
constexpr Release kTooManyHops{codec::q931::CauseValue::NoRouteToDestination, "hopCountExceeded"};
constexpr Release kNeedsFeature{codec::q931::CauseValue::Interworking, "neededFeatureNotSupported"};

constexpr Release release_for(Refusal refusal) {
  using codec::q931::CauseValue;
  switch (refusal) {
    case Refusal::CalledPartyNotRegistered:
      return {CauseValue::UnallocatedNumber, "calledPartyNotRegistered"};
    case Refusal::CalledPartyAway:
      return {CauseValue::SubscriberAbsent, "unreachableDestination"};
    case Refusal::CallerNotRegistered:
      return {CauseValue::CallRejected, "callerNotRegistered"};
    case Refusal::NotPermitted:
      return {CauseValue::CallRejected, "noPermission"};
    case Refusal::SecurityDenial:
      return {CauseValue::CallRejected, "securityDenied"};
    case Refusal::IncompleteAddress:
    case Refusal::AddressUnusable:
      return {CauseValue::InvalidNumberFormat, "badFormatAddress"};
    case Refusal::NoResources:
      return kCongestion;
    case Refusal::Unreachable:
      break;
  }
  return kUnreachable;
}

}  // namespace sallyport::adapter::h323
