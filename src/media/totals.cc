#include "media/totals.h"

namespace sallyport::media {

std::string_view name(Drop drop) {
  switch (drop) {
    case Drop::Runt:
      return "runt";
    case Drop::UnknownSocket:
      return "unknown_socket";
    case Drop::UnknownSource:
      return "unknown_source";
    case Drop::UnknownToken:
      return "unknown_token";
    case Drop::BadTag:
      return "bad_tag";
    case Drop::Replayed:
      return "replayed";
    case Drop::Unsupported:
      return "unsupported";
    case Drop::WrongSource:
      return "wrong_source";
    case Drop::Implausible:
      return "implausible";
    case Drop::NoRemote:
      return "no_remote";
    case Drop::NoComponent:
      return "no_component";
    case Drop::Unjoined:
      return "unjoined";
    case Drop::HeldTooLong:
      return "held_too_long";
    case Drop::NoRoom:
      return "no_room";
    case Drop::Unsealed:
      return "unsealed";
    case Drop::UnknownEpoch:
      return "unknown_epoch";
    case Drop::UnknownChannel:
      return "unknown_channel";
    case Drop::NoReference:
      return "no_reference";
    case Drop::RateLimited:
      return "rate_limited";
    case Drop::NotPassed:
      return "not_passed";
  }
  return "unknown";
}

Totals& Totals::operator+=(const Totals& more) {
  received += more.received;
  passed += more.passed;
  taken += more.taken;
  relayed += more.relayed;
  handled += more.handled;
  waiting += more.waiting;
  fast += more.fast;
  for (std::size_t i = 0; i < drops.size(); ++i) drops.at(i) += more.drops.at(i);
  probes_sent += more.probes_sent;
  confirmations_sent += more.confirmations_sent;
  probe_pleases_sent += more.probe_pleases_sent;
  trunk_datagrams_sent += more.trunk_datagrams_sent;
  return *this;
}

}  // namespace sallyport::media
