// A call as people see it (`sallyport calls`), whatever its protocol. Values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/call_id.h"
#include "adapter/media_paths.h"

namespace sallyport::adapter {

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

// Of one established stream, on one side: our port, and the two addresses.
struct MediaEnds {
  MediaId port;
  std::vector<TransportAddress> ours;
  TransportAddress theirs;
};

struct CallInfo {
  CallId id;
  std::string_view protocol;  // "sip"
  CallState state = CallState::Calling;
  std::string from, to;
  std::array<Place, 2> places;
  WallTime since;
  std::array<std::vector<MediaEnds>, 2> media;  // by side, one for each stream
};

}  // namespace sallyport::adapter
