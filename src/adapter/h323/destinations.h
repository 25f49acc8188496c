// Where a call goes: the question that ARQ, LRQ and Setup ask alike, answered by whoever knows
// registrations, routes, neighbours and outside gatekeepers (router.h). The call signalling asks it
// for each Setup, through this interface alone. Brain's thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adapter/h323/alias.h"
#include "adapter/hop.h"
#include "base/bytes.h"

namespace sallyport::adapter::h323 {

// H.225.0 CallIdentifier: one call at one place, whatever its call reference. All zero: none (H.323
// version 1).
using CallIdentifier = std::array<std::uint8_t, 16>;

struct CallQuery {
  Hop from;                     // of Setup its connection; of ARQ and LRQ the datagram
  edge::ListenerId listener{};  // of Setup: where that connection was accepted; else none
  std::vector<Alias> called;    // destinationAddress; the called party number as dialled digits
  // destCallSignalAddress. One of our own says nothing, the aliases do.
  std::optional<TransportAddress> address;
  std::vector<Alias> caller;  // sourceAddress; the calling party number as dialled digits
  std::string endpoint;       // endpointIdentifier, if the message has one
  CallIdentifier call{};
  bool can_overlap = false;  // more digits can follow
};

// Why there is nowhere to go. RAS says it as a reject reason, call signalling as a release reason
// and a Q.850 cause.
enum class Refusal : std::uint8_t {
  CalledPartyNotRegistered,  // nobody of that name; cause 1
  CalledPartyAway,           // its agent is away, its gatekeeper does not answer; cause 20
  CallerNotRegistered,       // cause 21
  NotPermitted,              // from outside to elsewhere outside; cause 21
  SecurityDenial,            // a password is missing or wrong; cause 21
  IncompleteAddress,         // more digits may make it a name; cause 28
  AddressUnusable,  // no name and no address, or one that this side does not call; cause 28
  NoResources,      // as many as there may be; cause 42
  Unreachable,      // no route, no answer of DNS; cause 3
};

struct Destination {
  Hop hop;                    // to be dialled: place, TCP, address
  std::vector<Alias> called;  // what destinationAddress says there
  std::vector<Alias> caller;  // what sourceAddress says there: who calls, as that side may know it
  // A registered terminal: its endpointIdentifier. It will ask by ARQ whether it may answer, unless
  // it was granted beforehand, and says DRQ in the end.
  std::string endpoint;
  // Under which address the caller is known there (a relayed terminal has one of its own outside):
  // sourceCallSignalAddress. None: where call signalling is heard at hop.place.
  std::optional<TransportAddress> source;
  // The tokens that an outside gatekeeper gave for this call: they go into Setup as they came, each
  // an encoded element of tokens (ClearToken) or cryptoTokens.
  std::vector<Buffer> tokens, crypto_tokens;
  // Which grant of an outside gatekeeper this is; given back by Admissions::on_call_over. 0: none.
  std::uint64_t grant = 0;
};

struct Found {
  std::vector<Destination> destinations;  // tried one after another
  std::optional<Refusal> refusal;         // if there are none
  std::string counter;                    // why, as a counter's name
  std::string endpoint;  // the caller's endpointIdentifier, if it is a registered terminal
};

class Destinations {
 public:
  Destinations() = default;
  Destinations(const Destinations&) = delete;
  Destinations& operator=(const Destinations&) = delete;
  virtual ~Destinations() = default;

  using OnFound = std::function<void(const Found&, Commands&)>;
  // Who may ask is decided here too: never an open relay. May answer before it returns, and does so
  // when an ARQ asked the same a moment before; it always answers.
  virtual void find(const CallQuery& query, Commands& out, OnFound on_found) = 0;
};

// What the call signalling tells the gatekeeper.
class Admissions {
 public:
  Admissions() = default;
  Admissions(const Admissions&) = delete;
  Admissions& operator=(const Admissions&) = delete;
  virtual ~Admissions() = default;

  // The call that went to this destination is over, or never went further: a grant of an outside
  // gatekeeper is given back (DRQ).
  virtual void on_call_over(const Destination& destination, const CallIdentifier& call,
                            Commands& out) = 0;
  // A registered terminal's leg was ended from this side: it is told by DRQ, since it may have lost
  // the connection.
  virtual void disengage(const std::string& endpoint, const CallIdentifier& call,
                         std::uint16_t call_reference, Commands& out) = 0;
  // Does anything that belongs to a registered terminal come along this hop? Else it is a stranger
  // as far as limits go.
  virtual bool is_registered(const Hop& from) const = 0;
};

// What the gatekeeper asks and tells of calls. Identifiers are those of the leg to that terminal.
class Calls {
 public:
  Calls() = default;
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;
  virtual ~Calls() = default;

  // Has a Setup of this call gone to that terminal? Then its ARQ to answer is granted.
  virtual bool rings(const std::string& endpoint, const CallIdentifier& call) const = 0;
  // It says that the call is over (DRQ). Of one that is not known: nothing.
  virtual void on_disengaged(const std::string& endpoint, const CallIdentifier& call,
                             Commands& out) = 0;
  // It is gone: its registration has run out or was ended. Its calls end.
  virtual void on_endpoint_gone(const std::string& endpoint, Commands& out) = 0;
};

}  // namespace sallyport::adapter::h323
