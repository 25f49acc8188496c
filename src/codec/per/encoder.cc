#include "codec/per/encoder.h"

#include <algorithm>

namespace sallyport::codec::per {
namespace {

constexpr std::uint64_t kFragment = 16384;  // X.691 10.9.3.8
constexpr unsigned kDeepest = 64;           // of a tree that was built

constexpr unsigned octets_for(std::uint64_t value) {
  return value == 0 ? 1 : (bits_for(value) + 7U) / 8U;
}
constexpr unsigned octets_for_signed(std::int64_t value) {
  return (bits_for(static_cast<std::uint64_t>(value < 0 ? ~value : value)) + 8U) / 8U;
}

}  // namespace

bool Encoder::fail(Errc code, std::string_view what, const Type&) {
  error_ = {code, what, out_.out().size()};
  return false;
}

bool Encoder::is_extension(const NodeData& node) const {
  if (node.parent == kNone) return false;
  const Type& parent = *message_.nodes_[node.parent].type;
  return (parent.kind == Kind::Sequence || parent.kind == Kind::Choice) &&
         node.member >= parent.root_count;
}

bool Encoder::whole(std::uint32_t node) {
  const std::size_t begin = out_.out().size();
  if (!value(node, kDeepest)) return false;
  out_.align();
  if (out_.out().size() == begin) out_.put(0, 8);
  return true;
}

bool Encoder::component(std::uint32_t node, unsigned phase) {
  out_.put(0, phase);
  return place(node, kDeepest);
}

bool Encoder::place(std::uint32_t node, unsigned depth) {
  if (depth == 0) return fail(Errc::Exhausted, "PER: values nested too deep", kOpaque);
  const NodeData& data = message_.nodes_[node];
  const bool extension = is_extension(data);
  if (copies_ && data.clean) {
    // Where it begins at the same bit of an octet its bits are the same, padding and all. An open
    // type begins at an octet anyway.
    std::uint64_t skip = 0;
    if (extension) {
      out_.align();
      skip = (8 - data.source % 8) % 8;
    }
    if (extension || data.source % 8 == out_.phase()) {
      out_.bits(message_.store_, data.source + skip, data.source_length - skip);
      return true;
    }
  }
  return extension ? open_type(node, depth) : value(node, depth);
}

bool Encoder::value(std::uint32_t node, unsigned depth) {
  return content(message_.nodes_[node], depth - 1);
}

bool Encoder::content(const NodeData& node, unsigned depth) {
  switch (node.type->kind) {
    case Kind::Null:
      return true;
    case Kind::Boolean:
      out_.put(node.number != 0 ? 1 : 0, 1);
      return true;
    case Kind::Integer:
      return integer(node);
    case Kind::Enumerated:
      return enumerated(node);
    case Kind::OctetString:
      return node.first != kNone ? held(node, depth) : string(node);
    case Kind::BitString:
    case Kind::ObjectIdentifier:
    case Kind::CharacterString:
    case Kind::OtherString:
      return string(node);
    case Kind::Sequence:
      return sequence(node, depth);
    case Kind::Choice:
      return choice(node, depth);
    case Kind::SequenceOf:
      return sequence_of(node, depth);
    case Kind::Opaque:
      out_.align();
      out_.octets(message_.view_octets(node));
      return true;
  }
  return fail(Errc::BadValue, "PER: schema", *node.type);
}

void Encoder::octets_counted(std::uint64_t value, unsigned octets) {
  for (; octets != 0; --octets) out_.put(value >> (octets - 1) * 8 & 0xffU, 8);
}

void Encoder::number(const Type& type, std::uint64_t distance) {
  switch (type.form) {
    case Form::Bits:
      out_.put(distance, type.width);
      return;
    case Form::Octet:
      out_.align();
      octets_counted(distance, 1);
      return;
    case Form::TwoOctets:
      out_.align();
      octets_counted(distance, 2);
      return;
    case Form::Counted: {
      const unsigned octets = octets_for(distance);
      out_.put(octets - 1, type.width);
      out_.align();
      octets_counted(distance, octets);
      return;
    }
    case Form::FromLower:
    case Form::Unbounded:
      return;  // not within bounds: integer() writes them
  }
}

void Encoder::small_number(std::uint64_t value) {
  if (value < 64) {
    out_.put(value, 7);
    return;
  }
  out_.put(1, 1);
  length(octets_for(value));
  octets_counted(value, octets_for(value));
}

void Encoder::length(std::uint64_t count) {  // below 16K
  out_.align();
  if (count < 0x80) {
    out_.put(count, 8);
  } else {
    out_.put(0x8000U | count, 16);
  }
}

bool Encoder::size(const Type& type, std::uint64_t count, bool& bounded) {
  bounded = type.bounded;
  const bool within = count >= static_cast<std::uint64_t>(type.lower) &&
                      count <= static_cast<std::uint64_t>(type.upper);
  if (!within && !type.extensible) return fail(Errc::BadValue, "PER: size out of bounds", type);
  if (type.extensible) out_.put(within ? 0 : 1, 1);
  if (!within) bounded = false;
  if (bounded) number(type, count - static_cast<std::uint64_t>(type.lower));
  return true;
}

template <typename Put>
bool Encoder::in_parts(std::uint64_t count, Put put) {
  std::uint64_t from = 0;
  for (; count - from >= kFragment;) {
    const std::uint64_t fragments = std::min<std::uint64_t>((count - from) / kFragment, 4);
    out_.align();
    out_.put(0xc0U | fragments, 8);
    if (!put(from, fragments * kFragment)) return false;
    from += fragments * kFragment;
  }
  length(count - from);
  return put(from, count - from);
}

bool Encoder::integer(const NodeData& node) {
  const Type& type = *node.type;
  const bool within = !node.large && node.number >= type.lower && node.number <= type.upper;
  Form form = type.form;
  if (type.extensible) {
    out_.put(within ? 0 : 1, 1);
    if (!within) form = Form::Unbounded;
  } else if (!within && !node.large) {
    return fail(Errc::BadValue, "PER: a number out of bounds", type);
  }
  if (node.large) {
    const Bytes octets = message_.view_octets(node);
    return in_parts(octets.size(), [&](std::uint64_t from, std::uint64_t count) {
      out_.octets(octets.subspan(from, count));
      return true;
    });
  }
  if (form == Form::Unbounded) {
    const unsigned octets = octets_for_signed(node.number);
    length(octets);
    octets_counted(static_cast<std::uint64_t>(node.number), octets);
    return true;
  }
  const std::uint64_t distance =
      static_cast<std::uint64_t>(node.number) - static_cast<std::uint64_t>(type.lower);
  if (form == Form::FromLower) {
    length(octets_for(distance));
    octets_counted(distance, octets_for(distance));
    return true;
  }
  number(type, distance);
  return true;
}

bool Encoder::enumerated(const NodeData& node) {
  const Type& type = *node.type;
  if (node.number < 0 || (node.number >= type.root_count && !type.extensible))
    return fail(Errc::BadValue, "PER: no such enumerator", type);
  const auto number_of = static_cast<std::uint64_t>(node.number);
  const bool extended = number_of >= type.root_count;
  if (type.extensible) out_.put(extended ? 1 : 0, 1);
  if (extended) {
    small_number(number_of - type.root_count);
  } else {
    number(type, number_of);
  }
  return true;
}

bool Encoder::string(const NodeData& node) {
  const Type& type = *node.type;
  const Bytes octets = message_.view_octets(node);
  const unsigned each = type.kind == Kind::BitString         ? 1
                        : type.kind == Kind::CharacterString ? type.character_bits
                                                             : 8;
  const std::uint64_t count = each == 1    ? node.view_length
                              : each == 16 ? node.view_length / 2
                                           : node.view_length;
  const auto put = [&](std::uint64_t from, std::uint64_t units) {
    if (type.kind == Kind::CharacterString && each < 8) {
      for (; units != 0; --units, ++from) {
        std::size_t character = octets[from];
        if (!type.alphabet.empty()) character = type.alphabet.find(static_cast<char>(octets[from]));
        if (character >= std::size_t{1} << each)
          return fail(Errc::BadValue, "PER: a character that is not permitted", type);
        out_.put(character, each);
      }
      return true;
    }
    out_.bits(octets, from * each, units * each);
    return true;
  };
  bool bounded = false;
  if (!size(type, count, bounded)) return false;
  if (!bounded) return in_parts(count, put);
  if (type.aligned && count != 0) out_.align();
  return put(0, count);
}

// An octet string that holds an encoding.
bool Encoder::held(const NodeData& node, unsigned depth) {
  const Type& type = *node.type;
  if (!type.bounded && !type.extensible) return open_type(node.first, depth);
  // The length is written before the octets are known only where it may move them.
  Buffer inner;
  Encoder encoder{message_, inner, copies_};
  if (!encoder.place(node.first, depth)) {
    error_ = encoder.error();
    return false;
  }
  encoder.out_.align();
  if (inner.empty()) inner.push_back(0);
  bool bounded = false;
  if (!size(type, inner.size(), bounded)) return false;
  if (bounded) {
    if (type.aligned) out_.align();
    out_.bits(inner, 0, inner.size() * 8);
    return true;
  }
  return in_parts(inner.size(), [&](std::uint64_t from, std::uint64_t count) {
    out_.octets(Bytes{inner}.subspan(from, count));
    return true;
  });
}

// X.691 10.2: the encoding is written in its place, and moved if its length takes more than one
// octet.
bool Encoder::open_type(std::uint32_t node, unsigned depth) {
  Buffer& out = out_.out();
  out_.align();
  const std::size_t at = out.size();
  out_.put(0, 8);
  const NodeData& data = message_.nodes_[node];
  if (is_extension(data) ? !value(node, depth) : !place(node, depth)) return false;
  out_.align();
  if (out.size() == at + 1 && data.type->kind != Kind::Opaque) out_.put(0, 8);
  const std::size_t count = out.size() - at - 1;
  if (count < 0x80) {
    out[at] = static_cast<std::uint8_t>(count);
    return true;
  }
  if (count < kFragment) {
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(at),
               static_cast<std::uint8_t>(0x80U | count >> 8U));
    out[at + 1] = static_cast<std::uint8_t>(count);
    return true;
  }
  const Buffer inner{out.begin() + static_cast<std::ptrdiff_t>(at) + 1, out.end()};
  out.resize(at);
  return in_parts(count, [&](std::uint64_t from, std::uint64_t units) {
    out_.octets(Bytes{inner}.subspan(from, units));
    return true;
  });
}

bool Encoder::sequence(const NodeData& node, unsigned depth) {
  const Type& type = *node.type;
  const auto& nodes = message_.nodes_;
  // The children are in the order of their members.
  std::uint32_t extension = node.first;
  while (extension != kNone && nodes[extension].member < type.root_count)
    extension = nodes[extension].next;
  if (type.extensible) out_.put(extension != kNone ? 1 : 0, 1);
  std::uint32_t child = node.first;
  for (std::uint16_t i = 0; i < type.root_count; ++i) {
    const bool present = child != kNone && nodes[child].member == i;
    if (type.members[i].optional) out_.put(present ? 1 : 0, 1);
    if (!present && !type.members[i].optional)
      return fail(Errc::BadValue, "PER: a mandatory component is missing", type);
    if (present) child = nodes[child].next;
  }
  for (child = node.first; child != extension; child = nodes[child].next)
    if (!place(child, depth)) return false;
  if (extension == kNone) return true;

  // As many additions as the sender knew; as we know, where the value is ours.
  std::uint64_t count = node.number != 0
                            ? static_cast<std::uint64_t>(node.number)
                            : static_cast<std::uint64_t>(type.member_count - type.root_count);
  for (child = extension; child != kNone; child = nodes[child].next)
    count = std::max<std::uint64_t>(count, nodes[child].member - type.root_count + 1U);
  if (count <= 64) {
    out_.put(count - 1, 7);
  } else {
    out_.put(1, 1);
    length(count);
  }
  child = extension;
  for (std::uint64_t i = 0; i < count; ++i) {
    const bool present = child != kNone && nodes[child].member == type.root_count + i;
    out_.put(present ? 1 : 0, 1);
    if (present) child = nodes[child].next;
  }
  for (child = extension; child != kNone; child = nodes[child].next)
    if (!place(child, depth)) return false;
  return true;
}

bool Encoder::choice(const NodeData& node, unsigned depth) {
  const Type& type = *node.type;
  if (node.first == kNone) return fail(Errc::BadValue, "PER: no alternative is chosen", type);
  const std::uint16_t member = message_.nodes_[node.first].member;
  const bool extended = member >= type.root_count;
  if (type.extensible) out_.put(extended ? 1 : 0, 1);
  if (extended) {
    small_number(member - type.root_count);
  } else {
    number(type, member);
  }
  return place(node.first, depth);
}

bool Encoder::sequence_of(const NodeData& node, unsigned depth) {
  const Type& type = *node.type;
  std::uint64_t count = 0;
  for (std::uint32_t child = node.first; child != kNone; child = message_.nodes_[child].next)
    ++count;
  std::uint32_t child = node.first;
  const auto put = [&](std::uint64_t, std::uint64_t units) {
    for (; units != 0; --units, child = message_.nodes_[child].next)
      if (!place(child, depth)) return false;
    return true;
  };
  bool bounded = false;
  if (!size(type, count, bounded)) return false;
  return bounded ? put(0, count) : in_parts(count, put);
}

}  // namespace sallyport::codec::per
