#include "codec/per/decoder.h"

#include <utility>

namespace sallyport::codec::per {
namespace {

constexpr std::uint64_t kFragment = 16384;  // X.691 10.9.3.8: units of a fragment, times 1 to 4
// Extension additions in one SEQUENCE; the largest of ours has less than 60.
constexpr std::uint64_t kMostAdditions = 256;

}  // namespace

bool Decoder::fail(Errc code, std::string_view what, const BitReader& in) {
  error_ = {code, what, in.octet()};
  return false;
}

bool Decoder::unsigned_octets(BitReader& in, std::uint64_t count, std::uint64_t& value) {
  if (count > 8) return fail(Errc::BadValue, "PER: a number of too many octets", in);
  if (!octets(in, count)) return false;
  value = 0;
  for (; count != 0; --count) value = value << 8U | in.take(8);
  return true;
}

// X.691 10.5.7: the distance of a whole number to its lower bound.
bool Decoder::number(BitReader& in, const Type& type, std::uint64_t& distance) {
  switch (type.form) {
    case Form::Bits:
      return bits(in, type.width, distance);
    case Form::Octet:
      return unsigned_octets(in, 1, distance);
    case Form::TwoOctets:
      return unsigned_octets(in, 2, distance);
    case Form::Counted: {
      std::uint64_t count = 0;
      return bits(in, type.width, count) && unsigned_octets(in, count + 1, distance);
    }
    case Form::FromLower:
    case Form::Unbounded:
      break;
  }
  return fail(Errc::BadValue, "PER: not within bounds", in);
}

// X.691 10.6: numbers that are mostly below 64.
bool Decoder::small_number(BitReader& in, std::uint64_t& value) {
  bool large = false;
  if (!bit(in, large)) return false;
  if (!large) return bits(in, 6, value);
  std::uint64_t count = 0;
  bool more = false;
  return length(in, count, more) && (!more || fail(Errc::BadValue, "PER: a number in parts", in)) &&
         unsigned_octets(in, count, value);
}

// X.691 10.9.3.5 to 10.9.3.8.
bool Decoder::length(BitReader& in, std::uint64_t& count, bool& more) {
  more = false;
  if (!octets(in, 1)) return false;
  const std::uint64_t first = in.take(8);
  if (first < 0x80) {
    count = first;
    return true;
  }
  if (first < 0xc0) {
    if (!octets(in, 1)) return false;
    count = (first & 0x3fU) << 8U | in.take(8);
    return true;
  }
  const std::uint64_t fragments = first & 0x3fU;
  if (fragments == 0 || fragments > 4) return fail(Errc::BadValue, "PER: length", in);
  count = fragments * kFragment;
  more = true;
  return true;
}

// The length of something with a size constraint. `bounded`: within bounds below 64K.
bool Decoder::size(BitReader& in, const Type& type, std::uint64_t& count, bool& bounded,
                   bool& more) {
  bounded = type.bounded;
  more = false;
  bool extended = false;
  if (type.extensible) {
    if (!bit(in, extended)) return false;
    if (extended) bounded = false;
  }
  if (!bounded) return length(in, count, more);
  if (!number(in, type, count)) return false;
  count += static_cast<std::uint64_t>(type.lower);
  if (count > static_cast<std::uint64_t>(type.upper))
    return fail(Errc::BadValue, "PER: length beyond its bounds", in);
  return true;
}

std::uint32_t Decoder::add(const Type& type, std::uint32_t parent, std::uint32_t& last,
                           std::uint16_t member) {
  if (message_.nodes_.size() >= limits_.nodes) return kNone;
  const std::uint32_t node = message_.add(type, parent, member);
  (last == kNone ? message_.nodes_[parent].first : message_.nodes_[last].next) = node;
  last = node;
  return node;
}

bool Decoder::read(std::uint32_t node, std::uint64_t begin, std::uint64_t end, unsigned depth) {
  BitReader in{message_.store_, begin, end};
  return value(in, node, depth);
}

bool Decoder::value(BitReader& in, std::uint32_t node, unsigned depth) {
  if (node == kNone) return fail(Errc::Exhausted, "PER: too many values", in);
  if (depth == 0) return fail(Errc::Exhausted, "PER: values nested too deep", in);
  const std::uint64_t begin = in.at();
  message_.nodes_[node].source = static_cast<std::uint32_t>(begin);
  if (!content(in, *message_.nodes_[node].type, node, depth - 1)) return false;
  Message::NodeData& data = message_.nodes_[node];
  data.source_length = static_cast<std::uint32_t>(in.at() - begin);
  data.clean = true;
  return true;
}

bool Decoder::content(BitReader& in, const Type& type, std::uint32_t node, unsigned depth) {
  switch (type.kind) {
    case Kind::Null:
      return true;
    case Kind::Boolean: {
      bool value = false;
      if (!bit(in, value)) return false;
      message_.nodes_[node].number = value ? 1 : 0;
      return true;
    }
    case Kind::Integer:
      return integer(in, type, node);
    case Kind::Enumerated:
      return enumerated(in, type, node);
    case Kind::BitString:
    case Kind::OctetString:
    case Kind::ObjectIdentifier:
    case Kind::CharacterString:
    case Kind::OtherString:
      if (!string(in, type, node)) return false;
      // Whoever sent an octet string has octets in mind first: if they are something else than the
      // schema says, they stay octets. But a limit is a limit.
      if (type.element == nullptr || hold(node, *type.element, depth)) return true;
      ++message_.unreadable_count_;
      return error_.code != Errc::Exhausted;
    case Kind::Sequence:
      return sequence(in, type, node, depth);
    case Kind::Choice:
      return choice(in, type, node, depth);
    case Kind::SequenceOf:
      return sequence_of(in, type, node, depth);
    case Kind::Opaque:
      // All that is left of an open type.
      return units(in, node, 8, in.left() / 8, false);
  }
  return fail(Errc::BadValue, "PER: schema", in);
}

bool Decoder::integer(BitReader& in, const Type& type, std::uint32_t node) {
  bool extended = false;
  if (type.extensible && !bit(in, extended)) return false;
  const Form form = extended ? Form::Unbounded : type.form;
  if (form != Form::FromLower && form != Form::Unbounded) {
    std::uint64_t distance = 0;
    if (!number(in, type, distance)) return false;
    if (distance > static_cast<std::uint64_t>(type.upper) - static_cast<std::uint64_t>(type.lower))
      return fail(Errc::BadValue, "PER: a number beyond its bounds", in);
    message_.nodes_[node].number = type.lower + static_cast<std::int64_t>(distance);
    return true;
  }
  // X.691 10.7 and 10.8: octets after their number.
  std::uint64_t count = 0;
  bool more = false;
  if (!length(in, count, more)) return false;
  if (more || count == 0) return fail(Errc::BadValue, "PER: length of a number", in);
  if (!octets(in, count)) return false;
  Message::NodeData& data = message_.nodes_[node];
  data.view = static_cast<std::uint32_t>(in.octet());
  data.view_length = static_cast<std::uint32_t>(count);
  const Bytes content = Bytes{message_.store_}.subspan(in.octet(), count);
  in.skip(count * 8);
  // Eight octets of a distance may lie beyond what a signed number holds; keep those as octets.
  if (count > 8 || (form == Form::FromLower && count == 8)) {
    data.large = true;
    return true;
  }
  std::uint64_t value =
      form == Form::Unbounded && (content[0] & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
  for (const std::uint8_t octet : content) value = value << 8U | octet;
  data.number = static_cast<std::int64_t>(value) + (form == Form::FromLower ? type.lower : 0);
  data.view_length = 0;
  return true;
}

// X.691 13: a number within the root, or, behind a bit that says so, one of the extensions.
bool Decoder::enumerated(BitReader& in, const Type& type, std::uint32_t node) {
  bool extended = false;
  std::uint64_t number_read = 0;
  if (type.extensible && !bit(in, extended)) return false;
  if (!(extended ? small_number(in, number_read) : number(in, type, number_read))) return false;
  if (extended && number_read > 0xffff)
    return fail(Errc::BadValue, "PER: number of an enumerator", in);
  if (!extended && number_read >= type.root_count)
    return fail(Errc::BadValue, "PER: an enumerator that there is not", in);
  message_.nodes_[node].number =
      static_cast<std::int64_t>(number_read + (extended ? type.root_count : 0));
  return true;
}

bool Decoder::string(BitReader& in, const Type& type, std::uint32_t node) {
  std::uint64_t count = 0;
  bool bounded = false;
  bool more = false;
  if (!size(in, type, count, bounded, more)) return false;
  if ((type.aligned || !bounded) && count != 0) in.align();
  if (type.kind == Kind::BitString) return units(in, node, 1, count, more);
  if (type.kind == Kind::CharacterString && type.character_bits != 8)
    return characters(in, type, node, count, more);
  return units(in, node, 8, count, more);
}

bool Decoder::units(BitReader& in, std::uint32_t node, unsigned unit, std::uint64_t count,
                    bool more) {
  if (in.left() / unit < count) return fail(Errc::Truncated, "PER: ends within a string", in);
  if (in.at() % 8 == 0 && !more) {  // where it lies
    Message::NodeData& data = message_.nodes_[node];
    data.view = static_cast<std::uint32_t>(in.octet());
    data.view_length = static_cast<std::uint32_t>(count);
    in.skip(count * unit);
    return true;
  }
  const std::size_t begin = message_.store_.size();
  std::uint64_t whole = 0;
  for (;;) {
    // A fragment is of 16K units, so only the last one can end within an octet.
    for (std::uint64_t left = count * unit; left != 0;) {
      const unsigned now = left < 8 ? static_cast<unsigned>(left) : 8;
      message_.store_.push_back(static_cast<std::uint8_t>(in.take(now) << (8 - now)));
      left -= now;
    }
    whole += count;
    if (!more) break;
    if (!length(in, count, more)) return false;
    if (in.left() / unit < count) return fail(Errc::Truncated, "PER: ends within a string", in);
  }
  message_.store_.insert(message_.store_.end(), kReadAhead, 0);
  message_.nodes_[node].view = static_cast<std::uint32_t>(begin);
  message_.nodes_[node].view_length = static_cast<std::uint32_t>(whole);
  return true;
}

bool Decoder::characters(BitReader& in, const Type& type, std::uint32_t node, std::uint64_t count,
                         bool more) {
  const unsigned bits_each = type.character_bits;
  if (bits_each == 16) {
    if (!more) {  // BMPString: two octets each, as they lie
      if (!units(in, node, 16, count, false)) return false;
      message_.nodes_[node].view_length *= 2;
      return true;
    }
  }
  const std::size_t begin = message_.store_.size();
  for (;;) {
    if (in.left() / bits_each < count)
      return fail(Errc::Truncated, "PER: ends within a string", in);
    for (; count != 0; --count) {
      const std::uint64_t character = in.take(bits_each);
      if (bits_each == 16) message_.store_.push_back(static_cast<std::uint8_t>(character >> 8U));
      if (type.alphabet.empty()) {
        message_.store_.push_back(static_cast<std::uint8_t>(character));
        continue;
      }
      if (character >= type.alphabet.size())
        return fail(Errc::BadValue, "PER: a character that is not permitted", in);
      message_.store_.push_back(static_cast<std::uint8_t>(type.alphabet[character]));
    }
    if (!more) break;
    if (!length(in, count, more)) return false;
  }
  message_.nodes_[node].view = static_cast<std::uint32_t>(begin);
  message_.nodes_[node].view_length = static_cast<std::uint32_t>(message_.store_.size() - begin);
  return true;
}

bool Decoder::hold(std::uint32_t node, const Type& type, unsigned depth) {
  const std::uint64_t begin = std::uint64_t{message_.nodes_[node].view} * 8;
  const std::uint64_t end = begin + std::uint64_t{message_.nodes_[node].view_length} * 8;
  const auto before = static_cast<std::ptrdiff_t>(message_.nodes_.size());
  std::uint32_t last = kNone;
  if (read(add(type, node, last, 0), begin, end, depth)) return true;
  message_.nodes_.erase(message_.nodes_.begin() + before, message_.nodes_.end());
  message_.nodes_[node].first = kNone;
  return false;
}

// X.691 18.
bool Decoder::sequence(BitReader& in, const Type& type, std::uint32_t node, unsigned depth) {
  bool extended = false;
  if (type.extensible && !bit(in, extended)) return false;
  std::uint64_t present = 0;
  if (!bits(in, type.optional_count, present)) return false;
  std::uint64_t mask = std::uint64_t{1} << type.optional_count;
  std::uint32_t last = kNone;
  for (std::uint16_t i = 0; i < type.root_count; ++i) {
    const Member& member = type.members[i];
    if (member.optional) {
      mask >>= 1U;
      if ((present & mask) == 0) continue;
    }
    if (!value(in, add(*member.type, node, last, i), depth)) return false;
  }
  return !extended || additions(in, type, node, last, depth);
}

// X.691 18.7 to 18.9: a bitmap of the extension additions, and each of them as an open type.
bool Decoder::additions(BitReader& in, const Type& type, std::uint32_t node, std::uint32_t last,
                        unsigned depth) {
  bool large = false;
  std::uint64_t count = 0;
  if (!bit(in, large)) return false;
  if (!large) {
    if (!bits(in, 6, count)) return false;
    ++count;
  } else {
    bool more = false;
    if (!length(in, count, more)) return false;
    if (more || count == 0 || count > kMostAdditions)
      return fail(Errc::BadValue, "PER: number of extension additions", in);
  }
  message_.nodes_[node].number = static_cast<std::int64_t>(count);
  std::array<std::uint64_t, kMostAdditions / 32> present{};
  for (std::uint64_t read = 0; read < count; read += 32) {
    const unsigned now = count - read < 32 ? static_cast<unsigned>(count - read) : 32;
    if (!bits(in, now, present[read / 32])) return false;
    present[read / 32] <<= 32 - now;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if ((present[i / 32] >> (31 - i % 32) & 1U) == 0) continue;
    const auto member = static_cast<std::uint16_t>(type.root_count + i);
    const Type& of = member < type.member_count ? *type.members[member].type : kOpaque;
    if (!open_type(in, add(of, node, last, member), depth)) return false;
  }
  return true;
}

// X.691 10.2. The encoding within ends at its own end: what a later version put behind is not read.
bool Decoder::open_type(BitReader& in, std::uint32_t node, unsigned depth) {
  if (node == kNone) return fail(Errc::Exhausted, "PER: too many values", in);
  const std::uint64_t begin = in.at();
  std::uint64_t count = 0;
  bool more = false;
  if (!length(in, count, more)) return false;
  if (in.left() / 8 < count) return fail(Errc::Truncated, "PER: ends within an extension", in);
  if (!more) {
    if (!read(node, in.at(), in.at() + count * 8, depth)) return false;
    in.skip(count * 8);
  } else {
    // In fragments: put together, the encoding lies behind the message's own octets.
    if (!units(in, node, 8, count, more)) return false;
    const std::uint64_t inner = std::uint64_t{message_.nodes_[node].view} * 8;
    const std::uint64_t length = std::uint64_t{message_.nodes_[node].view_length} * 8;
    message_.nodes_[node].view_length = 0;
    if (!read(node, inner, inner + length, depth)) return false;
  }
  // The node is clean if all of it can be copied, with its length and whatever was behind its end.
  Message::NodeData& data = message_.nodes_[node];
  data.source = static_cast<std::uint32_t>(begin);
  data.source_length = static_cast<std::uint32_t>(in.at() - begin);
  return true;
}

// X.691 22.
bool Decoder::choice(BitReader& in, const Type& type, std::uint32_t node, unsigned depth) {
  bool extended = false;
  std::uint64_t index = 0;
  std::uint32_t last = kNone;
  if (type.extensible && !bit(in, extended)) return false;
  if (!extended) {
    if (!number(in, type, index)) return false;
    if (index >= type.root_count)
      return fail(Errc::BadValue, "PER: an alternative that there is not", in);
    const auto member = static_cast<std::uint16_t>(index);
    return value(in, add(*type.members[member].type, node, last, member), depth);
  }
  if (!small_number(in, index)) return false;
  if (index > 0x7fff) return fail(Errc::BadValue, "PER: number of an alternative", in);
  const auto member = static_cast<std::uint16_t>(type.root_count + index);
  const Type& of = member < type.member_count ? *type.members[member].type : kOpaque;
  return open_type(in, add(of, node, last, member), depth);
}

// X.691 19.
bool Decoder::sequence_of(BitReader& in, const Type& type, std::uint32_t node, unsigned depth) {
  std::uint64_t count = 0;
  bool bounded = false;
  bool more = false;
  if (!size(in, type, count, bounded, more)) return false;
  std::uint32_t last = kNone;
  for (;;) {
    for (; count != 0; --count)
      if (!value(in, add(*type.element, node, last, 0), depth)) return false;
    if (!more) return true;
    if (!length(in, count, more)) return false;
  }
}

}  // namespace sallyport::codec::per
