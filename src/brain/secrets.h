// Random octets that must be the same after a restart (what signs nonces, what encrypts GRUUs),
// each under a name, made when they are first asked for. They live in the SQLite file, whose mode
// is 0600.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "brain/sqlite_store.h"

namespace sallyport::brain {

// System if the store cannot be read or written; BadValue if it holds another size under that name.
Result<Buffer> secret(SqliteStore& store, std::string_view name, std::size_t octets,
                      Random& random);

// The same, as an array.
template <std::size_t N>
Result<std::array<std::uint8_t, N>> secret(SqliteStore& store, std::string_view name,
                                           Random& random) {
  const auto octets = secret(store, name, N, random);
  if (!octets) return tl::make_unexpected(octets.error());
  std::array<std::uint8_t, N> out{};
  std::copy(octets->begin(), octets->end(), out.begin());
  return out;
}

}  // namespace sallyport::brain
