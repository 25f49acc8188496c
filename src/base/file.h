// Whole small files: configuration, keys, identities. Written so that a crash leaves the old file
// or the new one, never half of one. Any thread; blocks on the disk, so not on a busy loop.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sallyport {

// NotFound if there is none, Exhausted if it is longer than `most` octets, System otherwise.
Result<std::string> read_file(const std::string& path, std::size_t most = 1U << 20U);

// Replaces the file with one of this mode: written beside it, synced, renamed over it, and the
// folder synced. System, and the old file untouched, if anything of that fails.
Result<void> write_file(const std::string& path, std::string_view contents, unsigned mode);

// The folder, and those above it, exist afterwards; those that are made have mode 0700.
Result<void> make_folder(const std::string& path);

}  // namespace sallyport
