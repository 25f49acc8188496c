// A call: what belongs to one INVITE and the dialogs that it made; and the list of them that people
// see. Brain's thread.
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
  TimePoint established{};
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

}  // namespace sallyport::adapter::sip
