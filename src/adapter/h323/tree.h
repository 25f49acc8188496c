// Ways through the tree of a decoded message that do not depend on its types. Used where H.225.0
// has the same component in many messages, and where something is looked for wherever it hides.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "codec/per/message.h"

namespace sallyport::adapter::h323 {

// Visits the node and everything below it, parents first; what a visitor says false about is not
// gone into.
template <class Visitor>
void for_each_below(codec::per::Node node, const Visitor& visit) {
  if (!node || !visit(node)) return;
  for (auto child = node.first_child(); child; child = child.next()) for_each_below(child, visit);
}

// The component or alternative of that name, if it is there.
inline codec::per::Node child_named(codec::per::Node of, std::string_view name) {
  auto child = of.first_child();
  while (child && child.name() != name) child = child.next();
  return child;
}

// Its number, if that type has one.
inline std::optional<std::uint16_t> member_named(const codec::per::Type& type,
                                                 std::string_view name) {
  for (std::uint16_t i = 0; i < type.member_count; ++i)
    if (type.members[i].name == name) return i;
  return std::nullopt;
}

// The nearest node above it that is of this type.
template <class T>
codec::per::View<T> enclosing(codec::per::Node node) {
  while (node && !node.is<T>()) node = node.parent();
  return node.as<T>();
}

}  // namespace sallyport::adapter::h323
