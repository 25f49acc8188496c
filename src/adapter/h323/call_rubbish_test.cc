// Calls of other people's endpoints with octets changed, left out and doubled: whatever comes, in
// whatever order, nothing is left over when both have hung up.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "adapter/h323/test_calls.h"
#include "base/hex.h"

namespace sallyport::adapter::h323::test {
namespace {

namespace q931 = codec::q931;

struct Said {
  bool by_caller = false;
  Buffer payload;
};

// All call signalling of the captures, each call by itself.
std::map<std::string, std::vector<Said>> conversations() {
  std::ifstream file{SALLYPORT_WIRE_VECTORS "/h323/streams.txt"};
  std::map<std::string, std::vector<Said>> out;
  std::map<std::string, std::string> callers;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    std::string name;
    std::string direction;
    std::string reading;
    std::string octets;
    words >> name >> direction >> reading >> octets;
    const std::string speaker = direction.substr(0, direction.find(':'));
    const std::string& caller = callers.try_emplace(name, speaker).first->second;
    Buffer payload = from_hex(octets).value_or(Buffer{});
    payload.erase(payload.begin(), payload.begin() + codec::q931::kTpktHeader);
    out[name].push_back({speaker == caller, std::move(payload)});
  }
  return out;
}

class Rubbish : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Rubbish, LeavesNothing) {
  SeededRandom random{GetParam()};
  for (const auto& [name, conversation] : conversations()) {
    SCOPED_TRACE(name);
    World world;
    Terminal& caller = world.terminal(kSiteA, "caller", "10.9.0.1:1720");
    Terminal& callee = world.terminal(kSiteB, "callee", "10.9.0.2:1720");
    world.destinations.everybody = world.destination(callee);
    caller.dial(world.signalling(kSiteA));
    std::uint16_t reference = 0;
    for (const Said& said : conversation) {
      Terminal& speaker = said.by_caller ? caller : callee;
      if (speaker.links.empty()) continue;
      // Some of what is said on the way of signalling is H.245, and the other way round.
      Link& link = random.below(8) == 0 ? speaker.last_link() : *speaker.links.front();
      if (link.closed) continue;
      Buffer payload = said.payload;
      if (!said.by_caller && !callee.links.empty()) {
        for (const Buffer& heard : callee.links.front()->heard)
          if (const auto header = q931::Message::parse_header(heard))
            reference = header->call_reference.value;
        if (auto message = q931::Message::parse(payload)) {
          message->set_call_reference({.value = reference, .from_destination = true});
          payload = message->encode();
        }
      }
      // The Setup is left alone half of the time, so that there is a call.
      const bool spared = &said == &conversation.front() && random.below(2) == 0;
      for (std::uint64_t i = spared ? 0 : random.below(4); i > 0; --i) {
        const auto at = static_cast<std::ptrdiff_t>(random.below(payload.size()));
        switch (random.below(4)) {
          case 0:
            payload.erase(payload.begin() + at);
            break;
          case 1:
            payload.insert(payload.begin() + at, static_cast<std::uint8_t>(random.below(256)));
            break;
          default:
            payload[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(random.below(256));
            break;
        }
        if (payload.empty()) payload.push_back(8);
      }
      speaker.say(link, payload);
      if (random.below(5) == 0 && !link.closed) speaker.say(link, payload);
      if (random.below(10) == 0) world.pass(seconds{3});
    }
    for (Terminal* terminal : {&caller, &callee})
      for (const auto& link : terminal->links)
        if (!link->closed) terminal->hang_up(*link);
    world.expect_drained();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Rubbish, testing::Range<std::uint64_t>(1, 60));

}  // namespace
}  // namespace sallyport::adapter::h323::test
