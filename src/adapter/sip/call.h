// A call: what belongs to one INVITE and the dialogs that it made. Brain's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adapter/call_info.h"
#include "adapter/sip/dialog.h"
#include "adapter/sip/media_session.h"

namespace sallyport::adapter::sip {

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

}  // namespace sallyport::adapter::sip
