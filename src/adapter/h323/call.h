// A call: two legs, each its own call to the terminal there, with its own connection, call
// reference and ways of H.245; the channels that join them; and where it may still go. Owned by
// CallSignalling (call_signalling.h), which holds it by a shared pointer; whatever waits names it
// by its id. Brain's thread.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/call_info.h"
#include "adapter/h323/call_message.h"
#include "adapter/h323/control_channel.h"
#include "adapter/h323/destinations.h"
#include "adapter/h323/logical_channels.h"

namespace sallyport::adapter::h323 {

// An H.245 message on its way.
struct Control {
  std::unique_ptr<codec::per::Message> tree;
  LogicalChannels::Needs needs;
};

// What came from one side and has not gone on yet: a call signalling message with the H.245 that it
// tunnels, or H.245 by itself. What comes behind it waits, too: nothing overtakes.
struct Incoming {
  std::optional<CallMessage> message;
  std::vector<Control> controls;
  LogicalChannels::Needs fast_start;
  bool prepared = false;
};

struct Leg {
  Hop hop;  // with its connection, once there is one
  std::uint16_t reference = 0;
  bool called = false;    // they were called: their messages have the flag
  TransportAddress ours;  // where we signal with them, as they see it
  std::string endpoint;   // of a registered terminal
  Guid call{}, conference{};
  std::unique_ptr<ControlChannel> control;
  std::deque<Incoming> inbox;
  bool pumping = false;
  bool signalled = false;  // both have said something
  bool over = false;       // released: nothing is said there any more
};

struct Call {
  enum class Phase : std::uint8_t {
    Routing,     // it is not known yet where it goes
    Overlap,     // digits are missing
    Dialling,    // the connection to the callee is not there, or Setup waits for ports
    Calling,     // Setup is out
    Proceeding,  // the callee has said that it is at work
    Ringing,
    Established,
    Ended,
  };

  CallId id;
  Phase phase = Phase::Routing;
  WallTime since;  // of the phase, as people see it
  TimePoint established{};
  std::string from, to;
  std::array<Leg, 2> legs;
  std::unique_ptr<LogicalChannels> channels;

  Buffer setup;  // as it came, until the call is answered: it may go elsewhere yet
  CallQuery query;
  std::vector<Destination> later;          // where it may still go
  std::optional<Destination> destination;  // where it goes
  bool dialled = false;                    // its connection stands
  bool digits_asked = false;
  unsigned redirections = 0;
  bool proceeding_said = false;  // the caller has had its CallProceeding, the callee's or ours

  TimerId proceeding_timer;  // the caller is to hear something
  TimerId guard_timer;       // T303, T310, T301: the callee is to
  TimerId
      disengage_timer;  // a party has told the gatekeeper that it is over, and not yet the other
  struct Audit {
    TimerId timer;
    bool heard = false;
    std::array<std::uint64_t, 2> packets{};
    std::array<int, 2> unanswered{};
    std::array<bool, 2> asked{};
  } audit;

  bool is_over() const { return phase == Phase::Ended; }
};
using CallPtr = std::shared_ptr<Call>;

constexpr CallState state_of(Call::Phase phase) {
  switch (phase) {
    case Call::Phase::Ringing:
      return CallState::Ringing;
    case Call::Phase::Established:
      return CallState::Established;
    case Call::Phase::Ended:
      return CallState::Ended;
    default:
      return CallState::Calling;
  }
}

}  // namespace sallyport::adapter::h323
