// Calls between other people's endpoints (tests/wire/h323), said again to the call signalling: each
// side says what it said, and hears what the other said, but for the addresses.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "adapter/h323/test_calls.h"
#include "adapter/h323/tree.h"
#include "base/hex.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323::test {
namespace {

namespace per = codec::per;
namespace q931 = codec::q931;
namespace h225 = codec::h225;
namespace h245 = codec::h245;

struct Packet {
  TransportAddress from, to;
  bool is_h245 = false;
  Buffer payload;
};

// The packets of one call and its H.245 connection, in their order.
std::vector<Packet> packets(const std::string& capture) {
  std::ifstream file{SALLYPORT_WIRE_VECTORS "/h323/streams.txt"};
  std::vector<Packet> out;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    std::string name;
    std::string direction;
    std::string reading;
    std::string octets;
    words >> name >> direction >> reading >> octets;
    if (name != capture) continue;
    const std::size_t arrow = direction.find('>');
    Packet packet{address(direction.substr(0, arrow)), address(direction.substr(arrow + 1)),
                  reading == "h245", from_hex(octets).value_or(Buffer{})};
    packet.payload.erase(packet.payload.begin(), packet.payload.begin() + 4);
    out.push_back(std::move(packet));
  }
  return out;
}

// What is between each side and us: who tunnels or dials for H.245, how far a call may go, and that
// no connection is kept for later.
bool is_between(std::string_view name) {
  const std::set<std::string_view> ours = {"h245Address", "h245Tunneling", "hopCount",
                                           "maintainConnection", "multipleCalls"};
  return ours.contains(name);
}

// Everything else but the addresses.
std::vector<std::string> reading(per::Node root) {
  std::vector<std::string> out;
  for_each_below(root, [&](per::Node node) {
    std::string line{node.name()};
    if (is_between(line)) return false;
    if (codec::h323::is_address(node)) {
      out.push_back(line);
      return false;
    }
    if (node.first_child().is_absent())
      line += " " + std::to_string(node.integer()) + " " + to_hex(node.octets());
    out.push_back(line);
    return true;
  });
  return out;
}

std::vector<std::string> reading_of_signalling(Bytes payload) {
  const auto message = CallMessage::parse(payload);
  if (!message) return {"unreadable"};
  auto out = reading(message->tree().root());
  out.insert(out.begin(), std::string{q931::name(message->type())});
  for (const q931::Element& element : message->q931().elements())
    if (!element.is(q931::ElementId::UserUser)) out.push_back(to_hex(element.octets()));
  return out;
}

std::vector<std::string> reading_of_control(Bytes payload) {
  per::Message message;
  if (!codec::h323::decode<h245::MultimediaSystemControlMessage>(message, payload))
    return {"unreadable"};
  return reading(message.root());
}

std::optional<TransportAddress> control_address(Bytes payload) {
  const auto message = CallMessage::parse(payload);
  if (!message) return std::nullopt;
  return codec::h323::address(message->field("h245Address"));
}

// Each endpoint as the capture shows it, moved to a place of its own.
struct Player {
  Terminal& terminal;
  Link* signalling = nullptr;
  Link* control = nullptr;
  std::uint16_t reference = 0;
  bool called = false;
  bool dials = false;  // it dialled for H.245 in the capture
  std::vector<std::vector<std::string>> said, heard;
  std::vector<std::vector<std::string>> said_control, heard_control;

  void listen_to(World& world) {
    for (auto& link : terminal.links) {
      if (signalling == nullptr) signalling = link.get();
      if (link.get() != signalling && control == nullptr) control = link.get();
    }
    if (signalling == nullptr) return;
    while (!signalling->heard.empty()) {
      const Buffer payload = signalling->heard.front();
      signalling->heard.pop_front();
      const auto header = q931::Message::parse_header(payload);
      ASSERT_TRUE(header);
      EXPECT_EQ(header->call_reference.from_destination, !called);
      if (called && reference == 0) reference = header->call_reference.value;
      EXPECT_EQ(header->call_reference.value, reference);
      heard.push_back(reading_of_signalling(payload));
      const auto where = control_address(payload);
      if (where && dials && control == nullptr) control = &terminal.dial(*where);
    }
    if (control == nullptr) return;
    while (!control->heard.empty()) {
      heard_control.push_back(reading_of_control(control->heard.front()));
      control->heard.pop_front();
    }
    (void)world;
  }

  void say(World& world, const Packet& packet) {
    if (packet.is_h245) {
      ASSERT_NE(control, nullptr) << terminal.name;
      said_control.push_back(reading_of_control(packet.payload));
      return terminal.say(*control, packet.payload);
    }
    auto message = q931::Message::parse(packet.payload);
    ASSERT_TRUE(message);
    if (const auto own = control_address(packet.payload)) terminal.listening.insert(*own);
    if (!called && signalling == nullptr) {
      reference = message->call_reference().value;
      signalling = &terminal.dial(world.signalling(terminal.place));
    }
    ASSERT_NE(signalling, nullptr) << terminal.name;
    message->set_call_reference({.value = reference, .from_destination = called});
    said.push_back(reading_of_signalling(packet.payload));
    terminal.say(*signalling, message->encode());
  }
};

class Replay : public testing::TestWithParam<const char*> {
 protected:
  World world;

  // What one has said the other has heard, but for a Facility that asked for an H.245 connection,
  // and for releases that crossed.
  static void compare(std::vector<std::vector<std::string>> said,
                      std::vector<std::vector<std::string>> heard) {
    const auto drop = [](std::vector<std::vector<std::string>>& all) {
      std::erase_if(all, [](const std::vector<std::string>& message) {
        return std::any_of(message.begin(), message.end(), [](const std::string& line) {
          return line.starts_with("startH245") || line == "RELEASE COMPLETE";
        });
      });
    };
    drop(said);
    drop(heard);
    ASSERT_EQ(said.size(), heard.size());
    for (std::size_t i = 0; i < said.size(); ++i) {
      EXPECT_EQ(said[i].size(), heard[i].size()) << i;
      const auto [one, other] =
          std::mismatch(said[i].begin(), said[i].end(), heard[i].begin(), heard[i].end());
      EXPECT_TRUE(one == said[i].end() && other == heard[i].end())
          << "message " << i << ", " << said[i].front() << ": "
          << (one == said[i].end() ? "more" : *one);
    }
  }

  void play(Place caller_place, Place callee_place) {
    const auto all = packets(GetParam());
    ASSERT_FALSE(all.empty());
    const IpAddress caller_ip = all.front().from.ip;
    Terminal& caller_terminal =
        world.terminal(caller_place, "caller", TransportAddress{caller_ip, 1720}.to_string());
    Terminal& callee_terminal = world.terminal(callee_place, "callee", all.front().to.to_string());
    world.destinations.everybody = world.destination(callee_terminal);
    Player caller{.terminal = caller_terminal};
    Player callee{.terminal = callee_terminal};
    callee.called = true;
    const auto first_control =
        std::find_if(all.begin(), all.end(), [](const Packet& packet) { return packet.is_h245; });
    if (first_control != all.end()) {
      // Whoever had told its port was dialled.
      std::set<TransportAddress> told;
      for (const Packet& packet : all)
        if (!packet.is_h245)
          if (const auto own = control_address(packet.payload)) told.insert(*own);
      const TransportAddress& listener =
          told.contains(first_control->to) ? first_control->to : first_control->from;
      caller.dials = listener.ip != caller_ip;
      callee.dials = !caller.dials;
    }
    const auto listen = [&] {
      for (int i = 0; i < 3; ++i) {
        world.settle();
        caller.listen_to(world);
        callee.listen_to(world);
      }
    };
    for (const Packet& packet : all) {
      // The first call of the capture, between these two.
      const bool from_caller = packet.from.ip == caller_ip;
      if (packet.is_h245 && (from_caller ? caller : callee).control == nullptr) listen();
      (from_caller ? caller : callee).say(world, packet);
      listen();
      if (HasFatalFailure()) return;
      most_ports = std::max(most_ports, world.paths.ports.size());
    }
    {
      SCOPED_TRACE("heard by the callee");
      compare(caller.said, callee.heard);
      EXPECT_EQ(caller.said_control, callee.heard_control);
    }
    {
      SCOPED_TRACE("heard by the caller");
      compare(callee.said, caller.heard);
      EXPECT_EQ(callee.said_control, caller.heard_control);
    }
    EXPECT_EQ(callee.heard.front().front(), "SETUP");
    const auto release = std::find_if(all.begin(), all.end(), [](const Packet& packet) {
      return !packet.is_h245 &&
             CallMessage::parse(packet.payload)->type() == q931::MessageType::ReleaseComplete;
    });
    ASSERT_NE(release, all.end());
    const Player& told = release->from.ip == caller_ip ? callee : caller;
    EXPECT_EQ(told.heard.back().front(), "RELEASE COMPLETE");
    if (caller_place != callee_place) {
      world.expect_nothing_of(caller_ip, callee_place);
      world.expect_nothing_of(callee_terminal.at.ip, caller_place);
    }
    world.expect_drained();
  }

  std::size_t most_ports = 0;
};

TEST_P(Replay, FromSiteToSite) {
  play(kSiteA, kSiteB);
  EXPECT_GT(most_ports, 0U);
}
TEST_P(Replay, FromSiteToOutside) { play(kSiteA, kOutside); }
TEST_P(Replay, FromOutsideToSite) { play(kOutside, kSiteB); }
TEST_P(Replay, InsideOneSite) { play(kSiteA, kSiteA); }

std::string test_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::erase(name, '-');
  return "Capture" + name;
}

INSTANTIATE_TEST_SUITE_P(
    Captures, Replay,
    testing::Values("02-direct-faststart-tunnel", "03-direct-slowstart-tunnel",
                    "04-direct-slowstart-h245tcp", "05-direct-faststart-h245tcp",
                    "07-direct-alerting-answer-dtmf-callee-hangup", "08-direct-callee-rejects",
                    "09-direct-caller-abandons-while-alerting", "40-direct-audio-video",
                    "43-direct-h245-in-setup", "50-ooh323c-callee", "50b-ooh323c-callee-faststart"),
    test_name);

}  // namespace
}  // namespace sallyport::adapter::h323::test
