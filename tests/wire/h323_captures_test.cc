// H.323's PER as other people's endpoints and gatekeepers sent it (wire/h323/captures): every
// message is read whole, leaves as it came, is the same octets when all of it is written anew, and
// gives away no address once those that a walk finds are replaced.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/hex.h"
#include "codec/h323/addresses.h"
#include "codec/h323/messages.h"
#include "wire/h323/capture.h"

namespace sallyport::codec::h323 {
namespace {

using tests::RecordedMessage;

Result<void> read(per::Message& message, const RecordedMessage& recorded) {
  switch (recorded.kind) {
    case RecordedMessage::Kind::Ras:
      return decode<h225::RasMessage>(message, recorded.octets);
    case RecordedMessage::Kind::UserInformation:
      return decode<h225::H323UserInformation>(message, recorded.octets);
    case RecordedMessage::Kind::Control:
      return decode<h245::MultimediaSystemControlMessage>(message, recorded.octets);
  }
  return fail(Errc::BadValue, "kind");
}

class Captures : public ::testing::TestWithParam<std::string> {
 protected:
  std::vector<RecordedMessage> messages_ = tests::read_capture(GetParam());
  per::Message message_;
};

std::string name_of(const ::testing::TestParamInfo<std::string>& path) {
  std::string name = path.param.substr(path.param.rfind('/') + 1);
  name.resize(name.size() - 5);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, Captures, ::testing::ValuesIn(tests::capture_paths()), name_of);
// Random values that asn1ct wrote and tshark reads as they were meant.
INSTANTIATE_TEST_SUITE_P(Golden, Captures,
                         ::testing::Values(SALLYPORT_WIRE_VECTORS "/h323/golden/asn1ct.pcap"),
                         name_of);

class Scenes : public Captures {};
INSTANTIATE_TEST_SUITE_P(All, Scenes, ::testing::ValuesIn(tests::capture_paths()), name_of);

TEST_P(Captures, AreReadWholeAndLeaveAsTheyCame) {
  ASSERT_FALSE(messages_.empty());
  for (const RecordedMessage& recorded : messages_) {
    SCOPED_TRACE(recorded.stream + " " + to_hex(recorded.octets));
    const auto done = read(message_, recorded);
    ASSERT_TRUE(done) << done.error().what << " at " << done.error().offset;
    EXPECT_EQ(message_.octets_read(), recorded.octets.size());
    EXPECT_EQ(message_.unreadable_count(), 0U);
    for (const per::Node node : message_.walk()) EXPECT_FALSE(node.is_opaque());
    Buffer out;
    ASSERT_TRUE(message_.encode(out));
    EXPECT_EQ(to_hex(out), to_hex(recorded.octets));
  }
}

TEST_P(Captures, AreTheSameOctetsWhenWrittenAnew) {
  for (const RecordedMessage& recorded : messages_) {
    SCOPED_TRACE(recorded.stream);
    ASSERT_TRUE(read(message_, recorded));
    Buffer anew;
    ASSERT_TRUE(message_.encode_anew(anew));
    EXPECT_EQ(to_hex(anew), to_hex(recorded.octets));
  }
}

// The address as octets, and as text in ASCII and in BMPString.
bool holds(Bytes octets, const IpAddress& address) {
  const std::string text = address.to_string();
  Buffer wide;
  for (const char c : text) {
    wide.push_back(0);
    wide.push_back(static_cast<std::uint8_t>(c));
  }
  const auto contains = [&](Bytes what) {
    return std::search(octets.begin(), octets.end(), what.begin(), what.end()) != octets.end();
  };
  return contains(address.octets()) || contains(as_bytes(text)) || contains(wide);
}

// The addresses of all hosts in the scene. Some captures were taken with public ones; all are
// secret here.
std::set<IpAddress> host_addresses(const std::vector<RecordedMessage>& messages) {
  std::set<IpAddress> out;
  for (const RecordedMessage& recorded : messages) {
    const std::size_t middle = recorded.stream.find('>');
    for (const std::string& end :
         {recorded.stream.substr(0, middle), recorded.stream.substr(middle + 1)})
      if (const auto address = TransportAddress::parse(end);
          address && !address->ip.is_unspecified())
        out.insert(address->ip);
    per::Message message;
    if (!read(message, recorded)) continue;
    for_each_address(message, [&](per::Node node) {
      if (const auto found = address(node); found && !found->ip.is_unspecified())
        out.insert(found->ip);
    });
  }
  return out;
}

// How many addresses there are in the messages of each capture.
std::size_t addresses_in(const std::string& path) {
  static const std::map<std::string, std::size_t> counts{
      {"01-ras-registration-direct-mode-call", 14},
      {"02-direct-faststart-tunnel", 11},
      {"03-direct-slowstart-tunnel", 8},
      {"04-direct-slowstart-h245tcp", 9},
      {"05-direct-faststart-h245tcp", 13},
      {"06-gk-routed-faststart-tunnel", 38},
      {"07-direct-alerting-answer-dtmf-callee-hangup", 11},
      {"08-direct-callee-rejects", 8},
      {"09-direct-caller-abandons-while-alerting", 8},
      {"40-direct-audio-video", 71},
      {"43-direct-h245-in-setup", 8},
      {"50-ooh323c-callee", 8},
      {"50b-ooh323c-callee-faststart", 14},
      {"53-ooh323c-gk-public", 74},
  };
  return counts.at(std::filesystem::path{path}.stem().string());
}

TEST_P(Scenes, GiveAwayNoAddressAfterAWalk) {
  const std::set<IpAddress> secret = host_addresses(messages_);
  ASSERT_FALSE(secret.empty());
  for (const IpAddress& ours :
       {*IpAddress::parse("203.0.113.7"), *IpAddress::parse("2001:db8::7")}) {
    std::size_t found = 0;
    for (const RecordedMessage& recorded : messages_) {
      SCOPED_TRACE(recorded.stream + " " + to_hex(recorded.octets));
      ASSERT_TRUE(read(message_, recorded));
      for_each_address(message_, [&](per::Node node) {
        const auto theirs = address(node);
        ASSERT_TRUE(theirs);
        set_address(message_.edit(node), {ours, theirs->port});
        ++found;
      });
      if (ours.is_v4()) {
        EXPECT_FALSE(message_.is_changed());
      }
      Buffer out;
      ASSERT_TRUE(message_.encode(out));
      for (const IpAddress& address : secret)
        EXPECT_FALSE(holds(out, address)) << address.to_string() << " in " << to_hex(out);
      if (ours.is_v4()) {
        EXPECT_EQ(out.size(), recorded.octets.size());
      }
    }
    EXPECT_EQ(found, addresses_in(GetParam()));
  }
}

}  // namespace
}  // namespace sallyport::codec::h323
