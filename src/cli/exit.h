// The exit codes of `sallyport`. Documented in docs/OPERATIONS.md; scripts rely on them.
#pragma once

namespace sallyport::cli {

// NOLINTBEGIN(readability-identifier-naming): plain integers, said without their type's name
enum Exit : int {
  kOk = 0,
  kFailure = 1,     // it was tried and did not go well
  kUsage = 2,       // the command line or the configuration is wrong
  kNotRunning = 3,  // no server or agent listens at the admin socket
  kRefused = 4,     // the server or agent answered, and said no
  kForbidden = 5,   // the admin socket or a file is not ours to open
};
// NOLINTEND(readability-identifier-naming)

}  // namespace sallyport::cli
