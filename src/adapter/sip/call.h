// A call: what belongs to one INVITE and the dialogs that it made. And what others learn of calls:
// the list for people, and the journal by which a server that comes back from a crash ends the
// calls that it can no longer carry. Brain's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adapter/sip/dialog.h"
#include "adapter/sip/media_session.h"

namespace sallyport::adapter::sip {

enum class CallState : std::uint8_t { Calling, Ringing, Established, Ended };
constexpr std::string_view name(CallState state) {
  switch (state) {
    case CallState::Calling:
      return "calling";
    case CallState::Ringing:
      return "ringing";
    case CallState::Established:
      return "established";
    case CallState::Ended:
      break;
  }
  return "ended";
}

struct Call {
  CallId id;
  CallState state = CallState::Calling;
  std::string from, to;  // identities, as the caller gave them
  std::array<Place, 2> places;
  WallTime since;  // of the state
  MediaSession media;
  std::vector<DialogId> dialogs;
  DialogId dialog;  // the one of them that was chosen
};
using CallPtr = std::shared_ptr<Call>;

// A call as `sallyport calls` shows it.
struct CallInfo {
  CallId id;
  CallState state = CallState::Calling;
  std::string from, to;
  std::array<Place, 2> places;
  WallTime since;
  std::array<std::vector<MediaSession::Ends>, 2> media;  // by side, one for each stream
};

class Journal {
 public:
  Journal() = default;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  virtual ~Journal() = default;

  // A leg is established, or how to end it has changed: `bye` is a whole request but for a Via of
  // ours, to be sent along `to` (for TCP and TLS the connection itself will be gone: dial
  // to.remote).
  virtual void on_leg(CallId call, Side side, const Hop& to, const std::string& bye) = 0;
  virtual void on_ended(CallId call) = 0;

  // What earlier lives of this process left over at that place, forgotten with this.
  struct LeftOver {
    Hop to;  // without its connection, which is gone
    std::string bye;
  };
  virtual std::vector<LeftOver> take_left_over(Place place) = 0;
};

}  // namespace sallyport::adapter::sip
