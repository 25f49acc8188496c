// The relays of one process, one for each core (a thread: steering.h), as one of them sees the
// others. A relay takes what it is steered and sends what it can; the rest it passes on:
//
//  - a datagram that came at a server socket and whose flow another relay has, as it came;
//  - a packet that one of its ends has taken, for an end of another relay to send.
//
// A relay finds the others' flows as follows. A flow begins at the core that its token names
// (first_core_of); where it is elsewhere, that core's relay has been told so (Relay::redirect). And
// the core that a flow's source is steered to is told who is bound there (SourceNote): it alone
// says to whom a source belongs, since all that comes from there unsealed comes to it first.
#pragma once

#include "base/bytes.h"
#include "base/traffic_class.h"
#include "base/transport_address.h"
#include "media/media.h"
#include "media/socket_id.h"
#include "media/steering.h"

namespace sallyport::media {

struct ComponentName {
  MediaId id;
  std::uint8_t component = 0;
  friend bool operator==(const ComponentName&, const ComponentName&) = default;
};

// A datagram that came at a server socket. All cores have such sockets, with the same numbers.
struct Arrival {
  SocketId socket;
  TransportAddress source;
  ComponentName holder;  // of a probe: who is bound to its source, if anybody
  Ecn ecn = Ecn::NotCapable;
  std::uint8_t passes = 0;  // from one core to another, this one included
};

// A packet that is to leave at an end.
struct Departure {
  ComponentName end;
  Ecn ecn = Ecn::NotCapable;
  std::uint8_t passes = 0;
};

struct SourceNote {
  enum class What : std::uint8_t {
    Bound,     // to the source's core: that component is bound to it
    Released,  // to the source's core: it is not any more
    Taken,     // from there: another has it now
  };
  What what = What::Bound;
  SocketId socket;
  TransportAddress source;
  ComponentName flow;
};

class Neighbours {
 public:
  Neighbours() = default;
  Neighbours(const Neighbours&) = delete;
  Neighbours& operator=(const Neighbours&) = delete;
  virtual ~Neighbours() = default;

  virtual unsigned cores() const = 0;
  // The octets are copied. False: there is no room.
  virtual bool pass(Core to, const Arrival& arrival, Bytes datagram) = 0;
  virtual bool pass(Core to, const Departure& departure, Bytes packet) = 0;
  // Arrives, before whatever is passed or told to that core later.
  virtual void tell(Core to, const SourceNote& note) = 0;
};

}  // namespace sallyport::media
