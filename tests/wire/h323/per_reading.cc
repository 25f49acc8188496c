// Prints how we read the messages of a capture, for tshark_judge.py to compare with tshark's
// reading:
//   per_reading FILE.pcap
// A line "message KIND" before each message, and then its values, in order:
//   name  name of an element by its type  kind  value  octets
// with tabs between. Octet strings that hold an encoding have a line, and what they hold has lines.
#include <cstdio>
#include <string>

#include "base/hex.h"
#include "codec/h323/messages.h"
#include "wire/h323/capture.h"

namespace sallyport::tests {
namespace {

using codec::per::Kind;
using codec::per::Node;

std::string object_identifier(Bytes octets) {
  std::string out;
  std::uint64_t arc = 0;
  for (const std::uint8_t octet : octets) {
    arc = arc << 7U | (octet & 0x7fU);
    if ((octet & 0x80U) != 0) continue;
    if (out.empty()) {  // X.690 8.19.4: the first two in one
      const std::uint64_t root = arc < 80 ? arc / 40 : 2;
      out = std::to_string(root) + "." + std::to_string(arc - root * 40);
    } else {
      out += "." + std::to_string(arc);
    }
    arc = 0;
  }
  return out;
}

// What tshark calls it: a component by its name, an element of a list by its type or by its list.
std::string name_of(Node node) {
  if (!node.name().empty()) return std::string{node.name()};
  if (node.parent().type().kind != Kind::SequenceOf) return std::string{node.type().name};
  return name_of(node.parent()) + "_item";
}

void print(Node node) {
  const char* kind = "";
  std::string value;
  switch (node.type().kind) {
    case Kind::Null:
      kind = "null";
      break;
    case Kind::Boolean:
    case Kind::Integer:
    case Kind::Enumerated:
      kind = "number";
      value = std::to_string(node.integer());
      break;
    case Kind::ObjectIdentifier:
      kind = "oid";
      value = object_identifier(node.octets());
      break;
    case Kind::CharacterString:
      kind = node.type().character_bits < 8 ? "packed" : "octets";
      if (node.type().character_bits < 8) value = node.text();
      break;
    case Kind::BitString:
      kind = "bits";
      break;
    case Kind::OctetString:
    case Kind::OtherString:
    case Kind::Opaque:
      kind = "octets";
      break;
    case Kind::Choice:
      kind = "choice";
      value = std::to_string(node.chosen().member());
      break;
    case Kind::Sequence:
      kind = "sequence";
      break;
    case Kind::SequenceOf:
      kind = "list";
      value = std::to_string(node.child_count());
      break;
  }
  const std::string type{node.type().name};
  std::printf("%s\t%s\t%s\t%s\t%s\n", name_of(node).c_str(), type.c_str(), kind, value.c_str(),
              to_hex(node.octets()).c_str());
}

int run(const char* path) {
  codec::per::Message message;
  for (const RecordedMessage& recorded : read_capture(path)) {
    Result<void> read;
    const char* kind = "ras";
    switch (recorded.kind) {
      case RecordedMessage::Kind::Ras:
        read = codec::h323::decode<codec::h225::RasMessage>(message, recorded.octets);
        break;
      case RecordedMessage::Kind::UserInformation:
        kind = "call signalling";
        read = codec::h323::decode<codec::h225::H323UserInformation>(message, recorded.octets);
        break;
      case RecordedMessage::Kind::Control:
        kind = "control";
        read = codec::h323::decode<codec::h245::MultimediaSystemControlMessage>(message,
                                                                                recorded.octets);
        break;
    }
    if (!read) return 1;
    std::printf("message %s\n", kind);
    for (const Node node : message.walk()) print(node);
  }
  return 0;
}

}  // namespace
}  // namespace sallyport::tests

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "per_reading FILE.pcap\n");
    return 2;
  }
  return sallyport::tests::run(argv[1]);
}
