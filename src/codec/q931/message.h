// A Q.931 message as H.225.0 (clause 7.2) uses it: who means which call, what it is, and its
// information elements, in their order and octet for octet. Nothing is understood that nobody asks
// about: elements that we do not know, those of other codesets and those with strange contents are
// kept, and a message that is parsed and encoded again has the same octets.
//
//   | 8 | length of the call reference | flag, call reference | message type | elements ... |
//
// An element with the highest bit set is that one octet; any other is its identifier, one octet of
// length (two for User-user, H.225.0 clause 7.2.2.31) and its contents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport::codec::q931 {

enum class MessageType : std::uint8_t {
  Escape = 0x00,  // national; the type follows
  Alerting = 0x01,
  CallProceeding = 0x02,
  Progress = 0x03,
  Setup = 0x05,
  Connect = 0x07,
  SetupAcknowledge = 0x0d,
  ConnectAcknowledge = 0x0f,
  UserInformation = 0x20,
  Disconnect = 0x45,
  Release = 0x4d,
  ReleaseComplete = 0x5a,
  Facility = 0x62,
  Notify = 0x6e,
  StatusInquiry = 0x75,
  Information = 0x7b,
  Status = 0x7d,
};
// "SETUP"; "UNKNOWN" if Q.931 as H.225.0 uses it has no such message.
std::string_view name(MessageType type);

// Chosen by the side that began the call; the flag tells which side is speaking.
struct CallReference {
  std::uint16_t value = 0;  // 15 bits; 0: not one call but the connection as a whole
  bool from_destination = false;
  std::uint8_t length = 2;  // octets on the wire, 0 to 2; in H.225.0 two
  friend bool operator==(const CallReference&, const CallReference&) = default;
};

struct Header {
  CallReference call_reference;
  MessageType type = MessageType::Setup;
  friend bool operator==(const Header&, const Header&) = default;
};

// Identifiers of codeset 0.
enum class ElementId : std::uint8_t {
  BearerCapability = 0x04,
  Cause = 0x08,
  CallState = 0x14,
  Facility = 0x1c,
  ProgressIndicator = 0x1e,
  NotificationIndicator = 0x27,
  Display = 0x28,
  KeypadFacility = 0x2c,
  Signal = 0x34,
  ConnectedNumber = 0x4c,
  CallingPartyNumber = 0x6c,
  CalledPartyNumber = 0x70,
  RedirectingNumber = 0x74,
  UserUser = 0x7e,
  SendingComplete = 0xa1,  // a single octet
};

// One element, whole.
class Element {
 public:
  Element(std::uint8_t codeset, Buffer octets) : codeset_(codeset), octets_(std::move(octets)) {}

  std::uint8_t codeset() const { return codeset_; }
  std::uint8_t id() const { return octets_.front(); }
  bool is(ElementId id) const {
    return codeset_ == 0 && octets_.front() == static_cast<std::uint8_t>(id);
  }
  Bytes octets() const { return octets_; }
  Bytes contents() const;  // behind identifier and length; empty for a single octet
  friend bool operator==(const Element&, const Element&) = default;

 private:
  std::uint8_t codeset_;  // what shifts before it say; 0 for the shifts of codeset 0 themselves
  Buffer octets_;
};

class Message {
 public:
  static constexpr std::size_t kMaxElements = 64;

  explicit Message(Header header) : header_(header) {}
  // Errors name the offset. Unsupported: the protocol discriminator is not Q.931's.
  static Result<Message> parse(Bytes octets);
  // As much as an answer to a message needs that parse() refuses.
  static Result<Header> parse_header(Bytes octets);

  const Header& header() const { return header_; }
  MessageType type() const { return header_.type; }
  const CallReference& call_reference() const { return header_.call_reference; }
  void set_call_reference(CallReference reference) { header_.call_reference = reference; }
  void set_type(MessageType type) { header_.type = type; }

  const std::vector<Element>& elements() const { return elements_; }
  bool has(ElementId id) const { return find(id) != nullptr; }
  // Of codeset 0, the first one's contents.
  std::optional<Bytes> contents(ElementId id) const;
  // Replaces the first such element where it stands, or puts a new one where Q.931 4.5.1 wants it:
  // in ascending order of identifiers. At most 255 octets; a single octet has none.
  void set(ElementId id, Bytes contents);
  void remove(ElementId id);  // all of them

  // User-user with the PER of H.225.0 in it (protocol discriminator 5, X.680 and X.690 family).
  std::optional<Bytes> user_user() const;
  void set_user_user(Bytes per);

  Buffer encode() const;
  friend bool operator==(const Message&, const Message&) = default;

 private:
  const Element* find(ElementId id) const;
  void put(ElementId id, Buffer octets);

  Header header_;
  std::vector<Element> elements_;
};

}  // namespace sallyport::codec::q931
