// What a type of ASN.1 is, as data: one static object for each type, made by the constexpr
// functions below, which put the rules of aligned PER (X.691) that depend on the type alone into
// it. The tables are generated from *.schema files by cmake/per_schema.py; the decoder, the encoder
// and the message tree read them. Immutable; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace sallyport::codec::per {

enum class Kind : std::uint8_t {
  Boolean,
  Null,
  Integer,
  Enumerated,
  BitString,
  OctetString,       // may hold an encoding of its own: Type::element
  ObjectIdentifier,  // its content octets (X.690 8.19)
  CharacterString,   // "known-multiplier" (X.691 27): each character takes the same number of bits
  OtherString,       // GeneralString, UTF8String: octets
  Sequence,          // and SET: with automatic tags both are encoded in the order of their text
  Choice,
  SequenceOf,  // and SET OF
  Opaque,      // the octets of an extension that the schema does not know
};

// How a whole number within bounds is written (X.691 10.5.7).
enum class Form : std::uint8_t {
  Bits,       // in the fewest bits, which may be none
  Octet,      // in one octet, aligned
  TwoOctets,  // aligned
  Counted,    // the number of octets first, in `width` bits, and the fewest octets, aligned
  FromLower,  // no upper bound: a length and the distance to the lower bound
  Unbounded,  // a length and the two's complement
};

struct Type;

struct Member {  // a component of a SEQUENCE or an alternative of a CHOICE
  std::string_view name;
  const Type* type;
  bool optional = false;
};

// The characters that a string may hold, in ascending order, where they are numbered in the
// encoding instead of standing for themselves (X.691 27.5.4).
using Alphabet = std::string_view;

inline constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t kUnlimitedBelow = std::numeric_limits<std::int64_t>::min();
inline constexpr std::uint32_t k64K = 65536;

struct Type {
  std::string_view name;  // of the definition; empty where it is written inside another
  Kind kind = Kind::Null;
  bool extensible = false;  // "...": further components, alternatives, values, or sizes
  // INTEGER and, as the number of an alternative or enumerator, CHOICE and ENUMERATED; for the
  // others with a size, how a length within its bounds is written.
  Form form = Form::Bits;
  std::uint8_t width = 0;           // bits of Form::Bits, or of Form::Counted's count
  std::uint8_t character_bits = 0;  // of one character
  bool aligned = false;             // contents of a string begin at an octet (X.691 15, 16, 27)
  bool bounded = false;             // the length is within bounds below 64K, and written so
  std::int64_t lower = 0;           // of the value, or of the size
  std::int64_t upper = kUnlimited;
  const Member* members = nullptr;  // first those of the root, then the extension additions
  std::uint16_t root_count = 0;     // enumerators: their numbers alone
  std::uint16_t member_count = 0;
  std::uint16_t optional_count = 0;  // of the root
  const Type* element = nullptr;     // of SEQUENCE OF; what an OCTET STRING holds
  Alphabet alphabet;
};

struct Definition {  // a type of a schema that has a name
  std::string_view name;
  const Type* type;
};

// What an unknown extension addition, or the value of an unknown alternative, has for a type.
inline constexpr Type kOpaque{.name = "opaque", .kind = Kind::Opaque};

struct Bounds {
  std::int64_t lower = 0;
  std::int64_t upper = kUnlimited;
  bool extensible = false;
};

constexpr std::uint8_t bits_for(std::uint64_t greatest) {
  std::uint8_t bits = 0;
  for (; greatest != 0; greatest >>= 1U) ++bits;
  return bits;
}

constexpr void set_number_form(Type& type, std::int64_t lower, std::int64_t upper) {
  if (upper == kUnlimited || lower == kUnlimitedBelow) {
    type.form = lower == kUnlimitedBelow ? Form::Unbounded : Form::FromLower;
    return;
  }
  const auto distance = static_cast<std::uint64_t>(upper) - static_cast<std::uint64_t>(lower);
  type.width = bits_for(distance);
  if (distance < 255) {
    type.form = Form::Bits;
  } else if (distance == 255) {
    type.form = Form::Octet;
  } else if (distance < k64K) {
    type.form = Form::TwoOctets;
  } else {
    type.form = Form::Counted;  // X.691 10.5.7.4: 1 to the octets of the greatest
    type.width = bits_for((bits_for(distance) + 7U) / 8U - 1U);
  }
}

// The size of what has one. A length whose upper bound is 64K or more is written as if there were
// no bound (X.691 10.9.4.1 and 10.9.3.3, notes).
constexpr void set_size(Type& type, Bounds size) {
  type.lower = size.lower;
  type.upper = size.upper;
  type.extensible = size.extensible;
  type.bounded = size.upper < k64K;
  if (type.bounded) set_number_form(type, size.lower, size.upper);
}

constexpr Type boolean(std::string_view name = {}) { return {.name = name, .kind = Kind::Boolean}; }
constexpr Type null(std::string_view name = {}) { return {.name = name, .kind = Kind::Null}; }
constexpr Type object_identifier(std::string_view name = {}) {
  return {.name = name, .kind = Kind::ObjectIdentifier};
}
constexpr Type other_string(std::string_view name = {}) {
  return {.name = name, .kind = Kind::OtherString};
}

constexpr Type integer(std::string_view name, Bounds range) {
  Type type{.name = name, .kind = Kind::Integer, .extensible = range.extensible};
  type.lower = range.lower;
  type.upper = range.upper;
  set_number_form(type, range.lower, range.upper);
  return type;
}

constexpr Type enumerated(std::string_view name, const Member* names, std::uint16_t root,
                          std::uint16_t all, bool extensible) {
  Type type{.name = name, .kind = Kind::Enumerated, .extensible = extensible, .members = names};
  type.root_count = root;
  type.member_count = all;
  set_number_form(type, 0, root - 1);
  return type;
}

constexpr Type octet_string(std::string_view name, Bounds size, const Type* holds = nullptr) {
  Type type{.name = name, .kind = Kind::OctetString, .element = holds};
  set_size(type, size);
  type.aligned = size.lower != size.upper || size.upper > 2;  // X.691 16.6, 16.7
  return type;
}

constexpr Type bit_string(std::string_view name, Bounds size) {
  Type type{.name = name, .kind = Kind::BitString};
  set_size(type, size);
  type.aligned = size.lower != size.upper || size.upper > 16;  // X.691 15.9, 15.10
  return type;
}

// `greatest` is the highest character of the permitted alphabet, `count` how many it has.
constexpr Type character_string(std::string_view name, Bounds size, std::uint32_t count,
                                std::uint32_t greatest, Alphabet alphabet = {}) {
  Type type{.name = name, .kind = Kind::CharacterString};
  set_size(type, size);
  std::uint8_t bits = 1;  // X.691 27.5.2: a power of two in the aligned variant
  while (bits < bits_for(count - 1)) bits = static_cast<std::uint8_t>(bits * 2);
  type.character_bits = bits;
  // X.691 27.5.4: characters that fit as they are stand for themselves.
  if (bits_for(greatest) > bits) type.alphabet = alphabet;
  // X.691 27.5.6, 27.5.7. A size that may be extended has no longest string to go by, but the
  // encoding of one within the bounds is as if there were no mark.
  const bool fixed = size.lower == size.upper;
  const bool small =
      size.upper < k64K && (fixed ? size.upper * bits <= 16 : size.upper * bits < 16);
  type.aligned = !small;
  return type;
}

constexpr Type sequence(std::string_view name, const Member* members, std::uint16_t root,
                        std::uint16_t all, bool extensible) {
  Type type{.name = name, .kind = Kind::Sequence, .extensible = extensible, .members = members};
  type.root_count = root;
  type.member_count = all;
  for (std::uint16_t i = 0; i < root; ++i)
    if (members[i].optional) ++type.optional_count;
  return type;
}

constexpr Type choice(std::string_view name, const Member* members, std::uint16_t root,
                      std::uint16_t all, bool extensible) {
  Type type{.name = name, .kind = Kind::Choice, .extensible = extensible, .members = members};
  type.root_count = root;
  type.member_count = all;
  set_number_form(type, 0, root - 1);
  return type;
}

constexpr Type sequence_of(std::string_view name, Bounds size, const Type* element) {
  Type type{.name = name, .kind = Kind::SequenceOf, .element = element};
  set_size(type, size);
  return type;
}

}  // namespace sallyport::codec::per
