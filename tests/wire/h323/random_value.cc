#include "wire/h323/random_value.h"

#include <algorithm>
#include <limits>

namespace sallyport::tests {
namespace {

using codec::per::Kind;
using codec::per::kUnlimited;
using codec::per::kUnlimitedBelow;
using codec::per::Node;

constexpr unsigned kDeep = 12;
constexpr unsigned kNever = 1000;

std::string number_list(Bytes octets) {
  std::string out = "[";
  for (const std::uint8_t octet : octets)
    out += (out.size() > 1 ? "," : "") + std::to_string(octet);
  return out + "]";
}

// One octet each as a number; wide ones beyond that as a quadruple.
std::string wide_list(Bytes octets) {
  std::string out = "[";
  for (std::size_t i = 0; i + 1 < octets.size(); i += 2) {
    if (out.size() > 1) out += ",";
    out += octets[i] == 0
               ? std::to_string(octets[i + 1])
               : "{0,0," + std::to_string(octets[i]) + "," + std::to_string(octets[i + 1]) + "}";
  }
  return out + "]";
}

std::string bit_string(Bytes octets, std::uint32_t bits) {
  std::string out = "<<";
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (i != 0) out += ",";
    const std::uint32_t here = std::min<std::uint32_t>(8, bits - static_cast<std::uint32_t>(i) * 8);
    out += std::to_string(octets[i] >> (8 - here)) + ":" + std::to_string(here);
  }
  return out + ">>";
}

std::string object_identifier(Bytes octets) {
  std::string out = "{";
  std::uint64_t arc = 0;
  bool first = true;
  for (const std::uint8_t octet : octets) {
    arc = arc << 7U | (octet & 0x7fU);
    if ((octet & 0x80U) != 0) continue;
    if (first) {  // X.690 8.19.4: the first two in one
      const std::uint64_t root = std::min<std::uint64_t>(arc / 40, 2);
      out += std::to_string(root) + "," + std::to_string(arc - root * 40);
    } else {
      out += "," + std::to_string(arc);
    }
    first = false;
    arc = 0;
  }
  return out + "}";
}

std::string quoted(std::string_view atom) { return "'" + std::string{atom} + "'"; }

}  // namespace

void RandomValues::fill(codec::per::Message& message, const Type& type) {
  left_ = 1500;
  fill(message.make(type), 0);
}

unsigned RandomValues::height(const Type& type) {
  if (const auto known = heights_.find(&type); known != heights_.end()) return known->second;
  heights_[&type] = kNever;  // while it is looked at: a way through itself is no way out
  unsigned out = 0;
  if (type.kind == Kind::Choice) {
    out = kNever;
    for (std::uint16_t i = 0; i < type.member_count; ++i)
      out = std::min(out, height(*type.members[i].type));
  } else if (type.kind == Kind::Sequence) {
    for (std::uint16_t i = 0; i < type.root_count; ++i)
      if (!type.members[i].optional) out = std::max(out, height(*type.members[i].type));
  } else if (type.element != nullptr && (type.kind != Kind::SequenceOf || type.lower > 0)) {
    out = height(*type.element);
  }
  out = std::min(out + 1, kNever);
  // What was found through a type that is still looked at may not be its least.
  if (out >= kNever) {
    heights_.erase(&type);
  } else {
    heights_[&type] = out;
  }
  return out;
}

std::int64_t RandomValues::integer(const Type& type) {
  const auto any = [this] {
    const auto bits = static_cast<unsigned>(below(64));
    return static_cast<std::int64_t>(random_() >> bits);
  };
  if (type.extensible && chance(20)) return any() >> 1U;
  if (type.lower == kUnlimitedBelow) return any();
  if (type.upper == kUnlimited)
    return type.lower + static_cast<std::int64_t>(random_() >> (8 + below(56)));
  const auto range = static_cast<std::uint64_t>(type.upper - type.lower);
  switch (below(6)) {
    case 0:
      return type.lower;
    case 1:
      return type.upper;
    case 2:
      return type.lower + static_cast<std::int64_t>(std::min<std::uint64_t>(range, below(300)));
    default:
      return type.lower + static_cast<std::int64_t>(below(range + 1));
  }
}

std::uint64_t RandomValues::size(const Type& type, bool sparing) {
  const auto lower = static_cast<std::uint64_t>(type.lower);
  const auto upper = static_cast<std::uint64_t>(type.upper);
  if (type.extensible && chance(20)) return upper + 1 + below(8);
  if (lower == upper || sparing) return lower;
  if (large_ && !type.bounded && chance(8)) {
    constexpr std::uint64_t kLengths[] = {127,   128,   16383, 16384, 16385, 32768,
                                          32769, 49152, 65535, 65536, 65537, 81920};
    return std::clamp(kLengths[below(std::size(kLengths))], lower, upper);
  }
  const std::uint64_t most = std::min(upper - lower, chance(10) ? 300U : std::uint64_t{6});
  std::uint64_t out = chance(10) && upper < 300 ? upper : lower + below(most + 1);
  // X.691 writes nothing for the contents of an empty string with a bounded length; asn1ct aligns.
  if (out == 0 && type.bounded && type.kind != Kind::SequenceOf) out = 1;
  return out;
}

void RandomValues::fill_sequence(NodeEdit edit, const Type& type, unsigned depth) {
  const bool sparing = depth > kDeep || left_ == 0;
  const unsigned extensions = chance(40) ? 40 : 0;
  for (std::uint16_t i = 0; i < type.member_count; ++i) {
    const bool optional = i >= type.root_count || type.members[i].optional;
    const unsigned percent = i >= type.root_count ? extensions : 50;
    if (optional && (sparing || !chance(percent))) continue;
    fill(edit.member(i), depth + 1);
  }
}

void RandomValues::fill_choice(NodeEdit edit, const Type& type, unsigned depth) {
  auto alternative = static_cast<std::uint16_t>(below(type.member_count));
  if (depth > kDeep || left_ == 0) {
    for (std::uint16_t i = 0; i < type.member_count; ++i)
      if (height(*type.members[i].type) < height(*type.members[alternative].type)) alternative = i;
  }
  fill(edit.member(alternative), depth + 1);
}

void RandomValues::fill(NodeEdit edit, unsigned depth) {
  const Type& type = edit.node().type();
  const bool sparing = depth > kDeep || left_ == 0;
  if (left_ != 0) --left_;
  switch (type.kind) {
    case Kind::Null:
    case Kind::Opaque:
      return;
    case Kind::Boolean:
      return edit.set(chance(50) ? 1 : 0);
    case Kind::Integer:
      return edit.set(integer(type));
    case Kind::Enumerated:
      return edit.set(static_cast<std::int64_t>(below(type.member_count)));
    case Kind::ObjectIdentifier: {
      Buffer octets{static_cast<std::uint8_t>(below(120))};
      for (std::uint64_t arcs = 1 + below(6); arcs != 0; --arcs) {
        if (chance(40)) octets.push_back(static_cast<std::uint8_t>(0x81 + below(0x7f)));
        octets.push_back(static_cast<std::uint8_t>(below(0x80)));
      }
      return edit.set_octets(octets);
    }
    case Kind::BitString: {
      const std::uint64_t bits = size(type, false);
      Buffer octets((bits + 7) / 8);
      for (std::uint8_t& octet : octets) octet = static_cast<std::uint8_t>(random_());
      if (bits % 8 != 0)
        octets.back() = static_cast<std::uint8_t>(octets.back() & 0xff00U >> bits % 8);
      return edit.set_bits(octets, static_cast<std::uint32_t>(bits));
    }
    case Kind::OctetString:
      if (type.element != nullptr) return fill(edit.contents(), depth + 1);
      [[fallthrough]];
    case Kind::OtherString: {
      Buffer octets(size(type, false));
      for (std::uint8_t& octet : octets) {
        octet = static_cast<std::uint8_t>(random_());
        if (type.kind == Kind::OtherString) octet &= 0x7fU;
      }
      return edit.set_octets(octets);
    }
    case Kind::CharacterString: {
      Buffer octets(size(type, false) * (type.character_bits == 16 ? 2 : 1));
      for (std::size_t i = 0; i < octets.size(); ++i) {
        octets[i] = static_cast<std::uint8_t>('A' + below(26));  // in every alphabet of eight bits
        if (!type.alphabet.empty())
          octets[i] = static_cast<std::uint8_t>(type.alphabet[below(type.alphabet.size())]);
        if (type.character_bits == 16)
          octets[i] = static_cast<std::uint8_t>(i % 2 != 0   ? random_()
                                                : chance(20) ? below(0x30)
                                                             : 0);
      }
      return edit.set_octets(octets);
    }
    case Kind::Sequence:
      return fill_sequence(edit, type, depth);
    case Kind::Choice:
      return fill_choice(edit, type, depth);
    case Kind::SequenceOf:
      for (std::uint64_t count = size(type, sparing); count != 0; --count)
        fill(edit.append(), depth + 1);
      return;
  }
}

// Those of a group of extension additions, which asn1ct names so, stand beside the others.
static std::string components(Node sequence) {
  std::string out;
  for (Node child = sequence.first_child(); child; child = child.next()) {
    if (!out.empty()) out += ",";
    out += child.name().starts_with("ExtAddGroup")
               ? components(child)
               : quoted(child.name()) + "=>" + erlang_term(child);
  }
  return out;
}

std::string erlang_term(Node node) {
  switch (node.type().kind) {
    case Kind::Null:
      return "'NULL'";
    case Kind::Boolean:
      return node.boolean() ? "true" : "false";
    case Kind::Integer:
      return std::to_string(node.integer());
    case Kind::Enumerated:
      return quoted(node.type().members[node.integer()].name);
    case Kind::ObjectIdentifier:
      return object_identifier(node.octets());
    case Kind::BitString:
      return bit_string(node.octets(), node.bit_count());
    case Kind::OctetString: {
      const std::string list = number_list(node.octets());
      return "<<" + list.substr(1, list.size() - 2) + ">>";
    }
    case Kind::CharacterString:
      return node.type().character_bits == 16 ? wide_list(node.octets())
                                              : number_list(node.octets());
    case Kind::OtherString:
      return number_list(node.octets());
    case Kind::Choice:
      return "{" + quoted(node.chosen().name()) + "," + erlang_term(node.chosen()) + "}";
    case Kind::Sequence:
      return "#{" + components(node) + "}";
    case Kind::SequenceOf: {
      std::string out;
      for (Node child = node.first_child(); child; child = child.next())
        out += (out.empty() ? "" : ",") + erlang_term(child);
      return "[" + out + "]";
    }
    case Kind::Opaque:
      break;
  }
  return "unknown";
}

}  // namespace sallyport::tests
