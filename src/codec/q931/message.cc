#include "codec/q931/message.h"

#include <algorithm>
#include <cassert>

namespace sallyport::codec::q931 {
namespace {

constexpr std::uint8_t kDiscriminator = 8;  // Q.931 4.2: user-network call control messages
constexpr std::uint8_t kSingleOctet = 0x80;
// Q.931 4.5.3, 4.5.4: 1001 | 0 locking, 1 for the next element only | new codeset.
constexpr std::uint8_t kShift = 0x90;
constexpr std::uint8_t kShiftMask = 0xf0;
constexpr std::uint8_t kNonLocking = 0x08;
constexpr std::uint8_t kAsn1 = 5;  // H.225.0 table 16: X.208 and X.209 coded user information

constexpr bool has_long_length(std::uint8_t codeset, std::uint8_t id) {
  return codeset == 0 && id == static_cast<std::uint8_t>(ElementId::UserUser);
}

Header read_header(Reader& in) {
  Header header;
  CallReference& reference = header.call_reference;
  reference.length = in.u8();
  const Bytes octets = in.take(reference.length);
  for (const std::uint8_t octet : octets.first(std::min<std::size_t>(octets.size(), 2)))
    reference.value = static_cast<std::uint16_t>(reference.value << 8U | octet);
  const auto flag = static_cast<std::uint16_t>(reference.length == 1 ? 0x80 : 0x8000);
  reference.from_destination = (reference.value & flag) != 0;
  reference.value = static_cast<std::uint16_t>(reference.value & (flag - 1U));
  header.type = static_cast<MessageType>(in.u8());
  return header;
}

// Which codeset an element is of.
class Codesets {
 public:
  std::uint8_t next(std::uint8_t id) {
    const std::uint8_t codeset = once_.value_or(locked_);
    once_.reset();
    if ((id & kShiftMask) == kShift) {
      const auto to = static_cast<std::uint8_t>(id & 7U);
      if ((id & kNonLocking) != 0)
        once_ = to;
      else
        locked_ = to;
      return 0;
    }
    return codeset;
  }

 private:
  std::uint8_t locked_ = 0;
  std::optional<std::uint8_t> once_;
};

}  // namespace

std::string_view name(MessageType type) {
  switch (type) {
    case MessageType::Escape:
      return "ESCAPE";
    case MessageType::Alerting:
      return "ALERTING";
    case MessageType::CallProceeding:
      return "CALL PROCEEDING";
    case MessageType::Progress:
      return "PROGRESS";
    case MessageType::Setup:
      return "SETUP";
    case MessageType::Connect:
      return "CONNECT";
    case MessageType::SetupAcknowledge:
      return "SETUP ACKNOWLEDGE";
    case MessageType::ConnectAcknowledge:
      return "CONNECT ACKNOWLEDGE";
    case MessageType::UserInformation:
      return "USER INFORMATION";
    case MessageType::Disconnect:
      return "DISCONNECT";
    case MessageType::Release:
      return "RELEASE";
    case MessageType::ReleaseComplete:
      return "RELEASE COMPLETE";
    case MessageType::Facility:
      return "FACILITY";
    case MessageType::Notify:
      return "NOTIFY";
    case MessageType::StatusInquiry:
      return "STATUS INQUIRY";
    case MessageType::Information:
      return "INFORMATION";
    case MessageType::Status:
      return "STATUS";
  }
  return "UNKNOWN";
}

Bytes Element::contents() const {
  if ((id() & kSingleOctet) != 0) return {};
  return Bytes{octets_}.subspan(has_long_length(codeset_, id()) ? 3 : 2);
}

Result<Header> Message::parse_header(Bytes octets) {
  Reader in{octets};
  if (in.u8() != kDiscriminator && in.ok())
    return fail(Errc::Unsupported, "protocol discriminator", 0);
  const Header header = read_header(in);
  if (!in.ok()) return fail(Errc::Truncated, "Q.931 header", in.offset());
  if (header.call_reference.length > 2) return fail(Errc::BadValue, "call reference length", 1);
  return header;
}

Result<Message> Message::parse(Bytes octets) {
  const auto header = parse_header(octets);
  if (!header) return tl::make_unexpected(header.error());
  Message message{*header};
  Reader in{octets};
  in.skip(3U + header->call_reference.length);
  Codesets codesets;
  while (in.left() > 0) {
    if (message.elements_.size() == kMaxElements)
      return fail(Errc::Exhausted, "information elements", in.offset());
    const std::size_t start = in.offset();
    const std::uint8_t id = in.u8();
    const std::uint8_t codeset = codesets.next(id);
    if ((id & kSingleOctet) == 0) in.skip(has_long_length(codeset, id) ? in.u16() : in.u8());
    if (!in.ok()) return fail(Errc::Truncated, "information element", start);
    message.elements_.emplace_back(codeset, to_buffer(octets.subspan(start, in.offset() - start)));
  }
  return message;
}

const Element* Message::find(ElementId id) const {
  const auto it = std::ranges::find_if(elements_, [&](const Element& e) { return e.is(id); });
  return it == elements_.end() ? nullptr : &*it;
}

std::optional<Bytes> Message::contents(ElementId id) const {
  const Element* element = find(id);
  if (element == nullptr) return std::nullopt;
  return element->contents();
}

void Message::put(ElementId id, Buffer octets) {
  Element element{0, std::move(octets)};
  auto it = std::ranges::find_if(elements_, [&](const Element& e) { return e.is(id); });
  if (it != elements_.end()) {
    *it = std::move(element);
    return;
  }
  // Before the first that is of another codeset, or that has to come later. Single octets may stand
  // anywhere.
  it = std::ranges::find_if(elements_, [&](const Element& e) {
    const bool shift = (e.id() & kShiftMask) == kShift;
    const bool single = (e.id() & kSingleOctet) != 0;
    return e.codeset() != 0 || shift || (!single && e.id() > static_cast<std::uint8_t>(id));
  });
  elements_.insert(it, std::move(element));
}

void Message::set(ElementId id, Bytes contents) {
  assert(contents.size() <= 0xff && id != ElementId::UserUser);
  Buffer octets;
  Writer out{octets};
  out.u8(static_cast<std::uint8_t>(id));
  if ((static_cast<std::uint8_t>(id) & kSingleOctet) == 0)
    out.u8(static_cast<std::uint8_t>(contents.size())).bytes(contents);
  put(id, std::move(octets));
}

void Message::remove(ElementId id) {
  std::erase_if(elements_, [&](const Element& e) { return e.is(id); });
}

std::optional<Bytes> Message::user_user() const {
  const auto found = contents(ElementId::UserUser);
  if (!found || found->empty() || found->front() != kAsn1) return std::nullopt;
  return found->subspan(1);
}

void Message::set_user_user(Bytes per) {
  assert(per.size() < 0xffff);
  Buffer octets;
  octets.reserve(4 + per.size());
  Writer{octets}
      .u8(static_cast<std::uint8_t>(ElementId::UserUser))
      .u16(static_cast<std::uint16_t>(1 + per.size()))
      .u8(kAsn1)
      .bytes(per);
  put(ElementId::UserUser, std::move(octets));
}

Buffer Message::encode() const {
  std::size_t size = 5;
  for (const Element& element : elements_) size += element.octets().size();
  Buffer octets;
  octets.reserve(size);
  const CallReference& reference = header_.call_reference;
  Writer out{octets};
  out.u8(kDiscriminator).u8(reference.length);
  const auto flag = static_cast<unsigned>(reference.from_destination);
  if (reference.length == 1)
    out.u8(static_cast<std::uint8_t>(reference.value | flag << 7U));
  else if (reference.length == 2)
    out.u16(static_cast<std::uint16_t>(reference.value | flag << 15U));
  out.u8(static_cast<std::uint8_t>(header_.type));
  for (const Element& element : elements_) out.bytes(element.octets());
  return octets;
}

}  // namespace sallyport::codec::q931
