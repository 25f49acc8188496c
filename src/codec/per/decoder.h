// Reads aligned PER into a message's tree, as the schema says (X.691; its clauses are named where
// they are followed). Part of Message::decode; used by it alone.
#pragma once

#include <array>
#include <optional>

#include "codec/per/bits.h"
#include "codec/per/message.h"

namespace sallyport::codec::per {

class Decoder {
 public:
  Decoder(Message& message, const Limits& limits) : message_(message), limits_(limits) {}

  // Reads a value of the node's type from the bits [begin, end) of the message's octets, the node's
  // children with it. `begin` is at an octet.
  bool read(std::uint32_t node, std::uint64_t begin, std::uint64_t end, unsigned depth);
  // Reads what an octet string holds. False, with nothing changed, if it is something else.
  bool hold(std::uint32_t node, const Type& type, unsigned depth);
  const Error& error() const { return error_; }

 private:
  // Like these, all that follow say false, and leave an error, when the octets cannot be read.
  bool value(BitReader& in, std::uint32_t node, unsigned depth);
  bool content(BitReader& in, const Type& type, std::uint32_t node, unsigned depth);
  bool integer(BitReader& in, const Type& type, std::uint32_t node);
  bool enumerated(BitReader& in, const Type& type, std::uint32_t node);
  bool string(BitReader& in, const Type& type, std::uint32_t node);
  bool sequence(BitReader& in, const Type& type, std::uint32_t node, unsigned depth);
  bool additions(BitReader& in, const Type& type, std::uint32_t node, std::uint32_t last,
                 unsigned depth);
  bool choice(BitReader& in, const Type& type, std::uint32_t node, unsigned depth);
  bool sequence_of(BitReader& in, const Type& type, std::uint32_t node, unsigned depth);
  // An open type: a length, and the encoding of the node's type (X.691 10.2).
  bool open_type(BitReader& in, std::uint32_t node, unsigned depth);

  bool bits(BitReader& in, unsigned count, std::uint64_t& value) {
    if (in.left() < count) return fail(Errc::Truncated, "PER: ends within a value", in);
    value = in.take(count);
    return true;
  }
  bool bit(BitReader& in, bool& value) {
    if (in.left() == 0) return fail(Errc::Truncated, "PER: ends within a value", in);
    value = in.take(1) != 0;
    return true;
  }
  bool octets(BitReader& in, std::uint64_t count) {  // aligned, and that many are there
    in.align();
    if (in.left() / 8 < count) return fail(Errc::Truncated, "PER: ends within octets", in);
    return true;
  }
  bool number(BitReader& in, const Type& type, std::uint64_t& distance);
  bool small_number(BitReader& in, std::uint64_t& value);
  bool unsigned_octets(BitReader& in, std::uint64_t count, std::uint64_t& value);
  // One length determinant without bounds; `more`: it is of a fragment, and another follows.
  bool length(BitReader& in, std::uint64_t& count, bool& more);
  bool size(BitReader& in, const Type& type, std::uint64_t& count, bool& bounded, bool& more);
  // `count` units of `unit` bits each, and those of further fragments, put into the node's view.
  bool units(BitReader& in, std::uint32_t node, unsigned unit, std::uint64_t count, bool more);
  bool characters(BitReader& in, const Type& type, std::uint32_t node, std::uint64_t count,
                  bool more);

  std::uint32_t add(const Type& type, std::uint32_t parent, std::uint32_t& last,
                    std::uint16_t member);
  bool fail(Errc code, std::string_view what, const BitReader& in);

  Message& message_;
  const Limits& limits_;
  Error error_{Errc::BadValue, "", 0};
};

}  // namespace sallyport::codec::per
