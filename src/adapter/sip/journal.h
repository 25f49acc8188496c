// The journal of calls: for each party what it has to be told once nobody carries its call any
// more, written down while the call goes on. A server that comes back from a crash, or sees an
// agent come back that had lost its calls, says it: no telephone stays in a call, or rings, for
// nobody. Brain's thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/sip/dialog.h"
#include "adapter/sip/hop.h"

namespace sallyport::adapter::sip {

struct LastWord {
  enum class Kind : std::uint8_t {
    Bye,      // to a party of an established call
    Refusal,  // to a caller whose INVITE has no final answer yet
    Cancel,   // to a telephone that rings
  };
  Kind kind = Kind::Bye;
  Hop to;  // what was left over has lost its connection: to.remote is dialled, if need be
  // Bye: the whole request but for a Via of ours. Refusal: the INVITE as it came, with received and
  // rport. Cancel: the INVITE as it was sent.
  std::string message;

  friend bool operator==(const LastWord&, const LastWord&) = default;
};

class Journal {
 public:
  Journal() = default;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  virtual ~Journal() = default;

  // A leg of the call: 0 is the caller's, 1 + n that of the n-th branch. The word takes the place
  // of what the journal held for it.
  virtual void on_leg(CallId call, int leg, LastWord word) = 0;
  virtual void on_leg_ended(CallId call, int leg) = 0;
  virtual void on_ended(CallId call) = 0;
  // The parties there cannot be told anything now, whatever becomes of their calls: their words are
  // left over.
  virtual void on_edge_lost(Place place) = 0;

  // What is left over at that place, by this process or its earlier lives; forgotten with this.
  virtual std::vector<LastWord> take_left_over(Place place) = 0;
};

}  // namespace sallyport::adapter::sip
