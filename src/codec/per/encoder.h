// Writes a message's tree in aligned PER (X.691), copying from the message's octets what has not
// changed. Part of Message::encode and of writing over; used by them alone.
#pragma once

#include "codec/per/bits.h"
#include "codec/per/message.h"

namespace sallyport::codec::per {

class Encoder {
 public:
  // With `copies`, what is clean is copied.
  Encoder(const Message& message, Buffer& out, bool copies)
      : message_(message), out_(out), copies_(copies) {}

  // Appends a whole encoding: at least one octet (X.691 10.1.3).
  bool whole(std::uint32_t node);
  // Appends a component of its parent, which is an open type if it is an extension; `phase` bits of
  // the first octet are left for what is before it.
  bool component(std::uint32_t node, unsigned phase);
  std::uint64_t bits_written() const { return out_.out().size() * std::uint64_t{8} + out_.phase(); }
  void finish() { out_.align(); }
  const Error& error() const { return error_; }

 private:
  using NodeData = Message::NodeData;

  // Like these, all that follow say false, and leave an error, if a value is not of its type.
  bool place(std::uint32_t node, unsigned depth);
  bool value(std::uint32_t node, unsigned depth);
  bool content(const NodeData& node, unsigned depth);
  bool integer(const NodeData& node);
  bool enumerated(const NodeData& node);
  bool string(const NodeData& node);
  bool held(const NodeData& node, unsigned depth);
  bool sequence(const NodeData& node, unsigned depth);
  bool choice(const NodeData& node, unsigned depth);
  bool sequence_of(const NodeData& node, unsigned depth);
  bool open_type(std::uint32_t node, unsigned depth);

  void number(const Type& type, std::uint64_t distance);
  void small_number(std::uint64_t value);
  void octets_counted(std::uint64_t value, unsigned octets);
  void length(std::uint64_t count);
  // The length of something with a size constraint; `whole`: written, nothing in parts follows.
  bool size(const Type& type, std::uint64_t count, bool& bounded);
  // A length without bounds and that many units, in fragments if they are many.
  template <typename Put>
  bool in_parts(std::uint64_t count, Put put);
  bool is_extension(const NodeData& node) const;
  bool fail(Errc code, std::string_view what, const Type& type);

  const Message& message_;
  BitWriter out_;
  bool copies_;
  Error error_{Errc::BadValue, "", 0};
};

}  // namespace sallyport::codec::per
