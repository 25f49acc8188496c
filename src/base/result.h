// What may fail returns a Result: what a network sends is ordinary, so failure is a value. This is
// the one file that names the library behind Result. Used everywhere; values only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tl/expected.hpp>

namespace sallyport {

enum class Errc : std::uint8_t {
  Truncated,     // the input ends before the value does
  BadValue,      // a value that the format forbids
  Unsupported,   // well-formed, but not something that we can do
  NotPermitted,  // a policy refuses it
  Exhausted,     // a limit is reached: ports, sockets, memory
  NotFound,      // nothing by that name or id
  Unreachable,   // the network or the other side does not answer
  Closed,        // what it needs has ended
  System,        // the operating system refused, see the log
};

struct Error {
  Errc code;
  std::string_view what;   // a literal, so that making an error allocates nothing
  std::size_t offset = 0;  // where in the input, in octets
};

template <typename T>
using Result = tl::expected<T, Error>;

inline auto fail(Errc code, std::string_view what, std::size_t offset = 0) {
  return tl::make_unexpected(Error{code, what, offset});
}

// The name of an error code as it appears in logs, events and JSON.
constexpr std::string_view name(Errc code) {
  switch (code) {
    case Errc::Truncated:
      return "truncated";
    case Errc::BadValue:
      return "bad_value";
    case Errc::Unsupported:
      return "unsupported";
    case Errc::NotPermitted:
      return "not_permitted";
    case Errc::Exhausted:
      return "exhausted";
    case Errc::NotFound:
      return "not_found";
    case Errc::Unreachable:
      return "unreachable";
    case Errc::Closed:
      return "closed";
    case Errc::System:
      return "system";
  }
  return "unknown";
}

}  // namespace sallyport
