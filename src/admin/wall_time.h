// How replies to commands write times: RFC 3339, UTC, whole seconds.
#pragma once

#include <fmt/chrono.h>

#include <chrono>
#include <string>

#include "base/time.h"

namespace sallyport::admin {

// "2026-01-31T12:00:00Z"
inline std::string to_text(WallTime time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", std::chrono::floor<std::chrono::seconds>(time));
}

}  // namespace sallyport::admin
