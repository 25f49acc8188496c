// Other people's H.323 streams (wire/h323): however TCP cuts them, the same messages come out, read
// as tshark reads them, and what is encoded again has the same octets.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/hex.h"
#include "codec/q931/message.h"
#include "codec/q931/tpkt.h"

namespace sallyport::codec::q931 {
namespace {

struct Packet {
  std::string stream;  // capture and direction
  std::string reading;
  Buffer octets;
};

std::vector<Packet> packets() {
  std::ifstream file{SALLYPORT_WIRE_VECTORS "/h323/streams.txt"};
  std::vector<Packet> out;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    std::string capture;
    std::string direction;
    std::string reading;
    std::string octets;
    words >> capture >> direction >> reading >> octets;
    out.push_back({capture + " " + direction, reading, from_hex(octets).value_or(Buffer{})});
  }
  return out;
}

std::string reading(const Message& message) {
  const CallReference& call = message.call_reference();
  std::string out = fmt::format("{:02x}:{:04x}:", static_cast<unsigned>(message.type()),
                                call.value | (call.from_destination ? 0x8000U : 0U));
  for (const Element& element : message.elements())
    out += fmt::format("{}{:02x}", out.back() == ':' ? "" : ",", element.id());
  return out;
}

TEST(H323Streams, AreReadAsTsharkReadsThemAndLeaveAsTheyCame) {
  int messages = 0;
  for (const Packet& packet : packets()) {
    if (packet.reading == "h245") continue;
    SCOPED_TRACE(packet.stream);
    const auto message = Message::parse(Bytes{packet.octets}.subspan(kTpktHeader));
    ASSERT_TRUE(message);
    EXPECT_EQ(reading(*message), packet.reading);
    EXPECT_TRUE(message->user_user());
    EXPECT_EQ(to_hex(encode_tpkt(message->encode())), to_hex(packet.octets));
    ++messages;
  }
  EXPECT_EQ(messages, 155);
}

TEST(H323Streams, AreCutHoweverTheyArrive) {
  struct Stream {
    Buffer octets;
    std::vector<std::string> payloads;
  };
  std::map<std::string, Stream> streams;
  for (const Packet& packet : packets()) {
    Stream& stream = streams[packet.stream];
    stream.octets.insert(stream.octets.end(), packet.octets.begin(), packet.octets.end());
    stream.payloads.push_back(to_hex(Bytes{packet.octets}.subspan(kTpktHeader)));
  }
  EXPECT_EQ(streams.size(), 36U);
  for (const auto& [name, stream] : streams) {
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{7}, std::size_t{536}, stream.octets.size()}) {
      TpktReader reader;
      std::vector<std::string> out;
      const Bytes octets{stream.octets};
      for (std::size_t at = 0; at < octets.size(); at += piece) {
        reader.push(octets.subspan(at, std::min(piece, octets.size() - at)));
        while (const auto payload = reader.next()) out.push_back(to_hex(*payload));
      }
      EXPECT_EQ(out, stream.payloads) << name << " in pieces of " << piece;
      EXPECT_EQ(reader.buffered(), 0U);
    }
  }
}

}  // namespace
}  // namespace sallyport::codec::q931
