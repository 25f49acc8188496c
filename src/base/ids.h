// Ids that cannot be mixed up: an integer with a tag. Whatever outlives a call is named by an id
// and looked up again, never pointed at. Zero is no id.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace sallyport {

template <typename Tag, typename Rep = std::uint64_t>
struct Id {
  Rep value = 0;

  explicit operator bool() const { return value != 0; }
  friend auto operator<=>(const Id&, const Id&) = default;
};

// An enrolled agent. Given out by the server at enrolment, kept for ever, never used again.
using AgentId = Id<struct AgentTag, std::uint32_t>;

}  // namespace sallyport

template <typename Tag, typename Rep>
struct std::hash<sallyport::Id<Tag, Rep>> {
  std::size_t operator()(const sallyport::Id<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
