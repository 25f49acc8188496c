#include "codec/per/message.h"

#include <algorithm>

#include "codec/per/decoder.h"
#include "codec/per/encoder.h"

namespace sallyport::codec::per {
namespace {

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xc0U | code >> 6U));
    out.push_back(static_cast<char>(0x80U | (code & 0x3fU)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xe0U | code >> 12U));
    out.push_back(static_cast<char>(0x80U | (code >> 6U & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (code & 0x3fU)));
  } else {
    out.push_back(static_cast<char>(0xf0U | code >> 18U));
    out.push_back(static_cast<char>(0x80U | (code >> 12U & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (code >> 6U & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (code & 0x3fU)));
  }
}

constexpr std::uint32_t kReplacement = 0xfffd;

// BMPString as everybody sends it: UTF-16, surrogates included.
std::string utf8_of_utf16(Bytes octets) {
  std::string out;
  for (std::size_t i = 0; i + 1 < octets.size(); i += 2) {
    auto code = static_cast<std::uint32_t>(octets[i] << 8U | octets[i + 1]);
    if (code >= 0xd800 && code < 0xe000) {
      const std::uint32_t low =
          i + 3 < octets.size() ? static_cast<std::uint32_t>(octets[i + 2] << 8U | octets[i + 3])
                                : 0;
      const bool pair = code < 0xdc00 && low >= 0xdc00 && low < 0xe000;
      code = pair ? 0x10000 + ((code - 0xd800) << 10U) + (low - 0xdc00) : kReplacement;
      if (pair) i += 2;
    }
    append_utf8(out, code);
  }
  return out;
}

// Takes one character off the front. What is not UTF-8 yields U+FFFD for each octet.
std::uint32_t take_utf8(std::string_view& text) {
  const auto first = static_cast<std::uint8_t>(text.front());
  const unsigned more = first < 0x80   ? 0
                        : first < 0xc2 ? 9
                        : first < 0xe0 ? 1
                        : first < 0xf0 ? 2
                                       : 3;
  if (more == 9 || first > 0xf4 || text.size() <= more) {
    text.remove_prefix(1);
    return kReplacement;
  }
  std::uint32_t code = more == 0 ? first : first & (0x3fU >> more);
  for (unsigned i = 1; i <= more; ++i) {
    const auto octet = static_cast<std::uint8_t>(text[i]);
    if ((octet & 0xc0U) != 0x80) {
      text.remove_prefix(1);
      return kReplacement;
    }
    code = code << 6U | (octet & 0x3fU);
  }
  text.remove_prefix(more + 1);
  return code;
}

Buffer utf16_of_utf8(std::string_view text) {
  Buffer out;
  const auto put = [&out](std::uint32_t unit) {
    out.push_back(static_cast<std::uint8_t>(unit >> 8U));
    out.push_back(static_cast<std::uint8_t>(unit));
  };
  while (!text.empty()) {
    const std::uint32_t code = take_utf8(text);
    if (code < 0x10000) {
      put(code);
    } else {
      put(0xd800 + ((code - 0x10000) >> 10U));
      put(0xdc00 + ((code - 0x10000) & 0x3ffU));
    }
  }
  return out;
}

bool is_wide(const Type& type) {
  return type.kind == Kind::CharacterString && type.character_bits == 16;
}

}  // namespace

std::string_view Node::name() const {
  const Type& owner = parent().type();
  const bool named = owner.kind == Kind::Sequence || owner.kind == Kind::Choice;
  return named && member() < owner.member_count ? owner.members[member()].name : std::string_view{};
}

std::uint32_t Node::child_count() const {
  std::uint32_t count = 0;
  for (Node node = first_child(); node; node = node.next()) ++count;
  return count;
}

std::int64_t Node::integer(std::int64_t otherwise) const {
  switch (type().kind) {
    case Kind::Integer:
    case Kind::Enumerated:
    case Kind::Boolean:
      return message_->nodes_[index_].large ? otherwise : message_->nodes_[index_].number;
    default:
      return otherwise;
  }
}

Bytes Node::octets() const {
  return is_absent() ? Bytes{} : message_->view_octets(message_->nodes_[index_]);
}

std::uint32_t Node::bit_count() const {
  return type().kind == Kind::BitString ? message_->nodes_[index_].view_length : 0;
}

std::string Node::text() const {
  if (type().kind != Kind::CharacterString && type().kind != Kind::OtherString) return {};
  return is_wide(type()) ? utf8_of_utf16(octets()) : std::string{as_text(octets())};
}

bool Node::equals(std::string_view ascii) const {
  const Bytes own = octets();
  if (!is_wide(type())) return as_text(own) == ascii;
  if (own.size() != ascii.size() * 2) return false;
  for (std::size_t i = 0; i < ascii.size(); ++i)
    if (own[2 * i] != 0 || own[2 * i + 1] != static_cast<std::uint8_t>(ascii[i])) return false;
  return true;
}

BitSpan Node::source() const {
  if (is_absent()) return {};
  const Message::NodeData& node = message_->nodes_[index_];
  if (node.source == kNone || node.source >= message_->source_octets_ * 8) return {};
  return {node.source, node.source_length};
}

Result<void> Message::decode(const Type& type, Bytes octets, const Limits& limits) {
  clear();
  if (octets.size() > limits.octets) return fail(Errc::Exhausted, "PER: a message too long");
  store_.assign(octets.begin(), octets.end());
  store_.insert(store_.end(), kReadAhead, 0);
  source_octets_ = octets.size();
  add(type, kNone, 0);
  Decoder decoder{*this, limits};
  if (!decoder.read(0, 0, std::uint64_t{source_octets_} * 8, limits.depth)) {
    clear();
    return tl::make_unexpected(decoder.error());
  }
  return {};
}

std::size_t Message::octets_read() const {
  if (source_octets_ == 0) return 0;
  return std::max<std::size_t>((std::size_t{nodes_[0].source_length} + 7) / 8, 1);
}

NodeEdit Message::make(const Type& type) {
  clear();
  changed_ = true;
  return {this, add(type, kNone, 0)};
}

void Message::clear() {
  nodes_.clear();
  store_.clear();
  source_octets_ = 0;
  unreadable_count_ = 0;
  changed_ = false;
}

std::uint32_t Message::add(const Type& type, std::uint32_t parent, std::uint16_t member) {
  const auto index = static_cast<std::uint32_t>(nodes_.size());
  nodes_.push_back({.type = &type, .parent = parent, .member = member});
  return index;
}

void Message::link(std::uint32_t node) {
  NodeData& data = nodes_[node];
  std::uint32_t* at = &nodes_[data.parent].first;
  while (*at != kNone && nodes_[*at].member <= data.member) at = &nodes_[*at].next;
  data.next = *at;
  *at = node;
}

void Message::unlink(std::uint32_t node) {
  NodeData& data = nodes_[node];
  std::uint32_t* at = &nodes_[data.parent].first;
  while (*at != node && *at != kNone) at = &nodes_[*at].next;
  if (*at == node) *at = data.next;
  data.first = kNone;
}

void Message::touch(std::uint32_t node) {
  changed_ = true;
  // What is not clean is in nothing that is.
  for (; node != kNone && nodes_[node].clean; node = nodes_[node].parent)
    nodes_[node].clean = false;
}

// A value that has been set takes the place of the old one if it takes the same bits; what is
// around it stays as it came then.
void Message::settle(std::uint32_t index) {
  NodeData& node = nodes_[index];
  const bool is_in_place = node.clean && node.source / 8 < source_octets_;
  const unsigned phase = node.source % 8;
  scratch_.clear();
  Encoder encoder{*this, scratch_, false};
  if (!is_in_place || !encoder.component(index, phase) ||
      encoder.bits_written() != phase + node.source_length) {
    touch(index);
    return;
  }
  encoder.finish();
  std::uint64_t from = phase;
  std::uint64_t to = node.source;
  for (std::uint64_t left = node.source_length; left != 0;) {
    const auto shift = static_cast<unsigned>(to % 8);
    const unsigned now = left < 8 - shift ? static_cast<unsigned>(left) : 8 - shift;
    const auto mask = static_cast<std::uint8_t>((0xffU >> shift) & (0xffU << (8 - shift - now)));
    std::uint8_t& octet = store_[static_cast<std::size_t>(to / 8)];
    octet = static_cast<std::uint8_t>((octet & ~mask) |
                                      (scratch_[static_cast<std::size_t>(from / 8)] & mask));
    from += now;
    to += now;
    left -= now;
  }
}

Bytes Message::view_octets(const NodeData& node) const {
  const std::size_t octets =
      node.type->kind == Kind::BitString ? (node.view_length + 7U) / 8U : node.view_length;
  return Bytes{store_}.subspan(node.view, octets);
}

// The octets may be some of this message's own.
void Message::set_view(std::uint32_t node, Bytes octets, std::uint32_t length) {
  const auto own = reinterpret_cast<std::uintptr_t>(store_.data());
  const auto given = reinterpret_cast<std::uintptr_t>(octets.data());
  const bool is_own = given >= own && given < own + store_.size();
  const std::size_t at = store_.size();
  store_.resize(at + octets.size());
  const std::uint8_t* from = is_own ? store_.data() + (given - own) : octets.data();
  std::copy_n(from, octets.size(), store_.begin() + static_cast<std::ptrdiff_t>(at));
  nodes_[node].view = static_cast<std::uint32_t>(at);
  nodes_[node].view_length = length;
}

void Message::copy(std::uint32_t to, const Message& other, std::uint32_t from) {
  const NodeData source = other.nodes_[from];
  nodes_[to].number = source.number;
  nodes_[to].large = source.large;
  set_view(to, other.view_octets(source), source.view_length);
  std::uint32_t last = kNone;
  for (std::uint32_t child = source.first; child != kNone; child = other.nodes_[child].next) {
    const std::uint32_t made = add(*other.nodes_[child].type, to, other.nodes_[child].member);
    (last == kNone ? nodes_[to].first : nodes_[last].next) = made;
    last = made;
    copy(made, other, child);
  }
}

void Message::remove(Node node) {
  if (node.is_absent()) return;
  const std::uint32_t parent = nodes_[node.index()].parent;
  if (parent == kNone) return;
  unlink(node.index());
  touch(parent);
}

bool Message::open(Node node, const Type& contents, const Limits& limits) {
  if (node.type().kind != Kind::OctetString || node.contents()) return false;
  const std::uint32_t index = node.index();
  Limits within = limits;
  within.nodes =
      static_cast<std::uint32_t>(std::min<std::size_t>(nodes_.size() + limits.nodes, kNone - 1U));
  Decoder decoder{*this, within};
  return decoder.hold(index, contents, limits.depth);
}

Result<void> Message::write(Buffer& out, bool copies) const {
  if (nodes_.empty()) return fail(Errc::BadValue, "PER: nothing to encode");
  const std::size_t before = out.size();
  Encoder encoder{*this, out, copies};
  if (encoder.whole(0)) return {};
  out.resize(before);
  return tl::make_unexpected(encoder.error());
}

Result<void> Message::encode(Buffer& out) const {
  if (changed_) return write(out, true);
  const Bytes own = octets();
  out.insert(out.end(), own.begin(), own.end());
  return {};
}

Result<void> Message::encode_anew(Buffer& out) const { return write(out, false); }

void NodeEdit::set(std::int64_t value) {
  if (is_nowhere()) return;
  Message::NodeData& data = message_->nodes_[index_];
  data.number = value;
  data.large = false;
  message_->settle(index_);
}

void NodeEdit::set_octets(Bytes octets) {
  set_units(octets, static_cast<std::uint32_t>(octets.size()));
}

void NodeEdit::set_bits(Bytes octets, std::uint32_t bits) {
  set_units(octets.first((bits + 7U) / 8U), bits);
}

void NodeEdit::set_units(Bytes octets, std::uint32_t units) {
  if (is_nowhere()) return;
  message_->nodes_[index_].first = kNone;
  message_->set_view(index_, octets, units);
  message_->settle(index_);
}

void NodeEdit::set_text(std::string_view utf8) {
  if (is_wide(node().type())) {
    const Buffer wide = utf16_of_utf8(utf8);
    set_octets(wide);
  } else {
    set_octets(as_bytes(utf8));
  }
}

void NodeEdit::clear() {
  if (is_nowhere()) return;
  Message::NodeData& data = message_->nodes_[index_];
  data.first = kNone;
  data.number = 0;
  data.view_length = 0;
  data.large = false;
  message_->touch(index_);
}

void NodeEdit::copy(Node from) {
  if (is_nowhere() || from.is_absent() || &from.type() != &node().type()) return;
  for (Node above = node(); above; above = above.parent())
    if (above == from) return;  // it would hold itself
  clear();
  message_->copy(index_, *from.message(), from.index());
}

NodeEdit NodeEdit::member(std::uint16_t index) {
  const Type& own = node().type();
  const bool has_members = own.kind == Kind::Choice || own.kind == Kind::Sequence;
  if (is_nowhere() || !has_members || index >= own.member_count) return {message_, kNone};
  if (const Node there = node().child(index)) return {message_, there.index()};
  if (own.kind == Kind::Choice) message_->nodes_[index_].first = kNone;
  const std::uint32_t made = message_->add(*own.members[index].type, index_, index);
  message_->link(made);
  message_->touch(index_);
  return {message_, made};
}

void NodeEdit::remove(std::uint16_t index) {
  if (const Node there = node().child(index)) message_->remove(there);
}

NodeEdit NodeEdit::append() {
  const Type& own = node().type();
  if (is_nowhere() || own.kind != Kind::SequenceOf) return {message_, kNone};
  const std::uint32_t made = message_->add(*own.element, index_, 0);
  message_->link(made);
  message_->touch(index_);
  return {message_, made};
}

NodeEdit NodeEdit::hold(const Type& type) {
  if (node().type().kind != Kind::OctetString) return {message_, kNone};
  if (const Node there = node().first_child(); there && &there.type() == &type)
    return {message_, there.index()};
  const std::uint32_t made = message_->add(type, index_, 0);
  message_->nodes_[index_].first = made;
  message_->touch(index_);
  return {message_, made};
}

NodeEdit NodeEdit::contents() {
  const Type* held = node().type().element;
  return held == nullptr ? NodeEdit{message_, kNone} : hold(*held);
}

}  // namespace sallyport::codec::per
