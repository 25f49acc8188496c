// A telephone learns that its call is over, whatever died: the server or its agent, in a call or
// before it was answered.
#include "adapter/sip/journal.h"

#include <map>
#include <utility>

#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

using wire::HeaderName;

// In memory, and outlives the server.
class Notes final : public Journal {
 public:
  void on_leg(CallId call, int leg, LastWord word) override {
    word.to.connection = {};
    live_[{call.value, leg}] = std::move(word);
  }
  void on_leg_ended(CallId call, int leg) override { live_.erase({call.value, leg}); }
  void on_ended(CallId call) override {
    std::erase_if(live_, [&](const auto& item) { return item.first.first == call.value; });
  }
  void on_edge_lost(Place place) override {
    leave([&](const LastWord& word) { return word.to.place == place; });
  }
  std::vector<LastWord> take_left_over(Place place) override {
    return std::exchange(left_over_[place], {});
  }
  void die() {
    leave([](const LastWord&) { return true; });
  }
  std::size_t live() const { return live_.size(); }

 private:
  template <class Which>
  void leave(Which which) {
    std::erase_if(live_, [&](const auto& item) {
      if (which(item.second)) left_over_[item.second.to.place].push_back(item.second);
      return which(item.second);
    });
  }
  std::map<std::pair<std::uint64_t, int>, LastWord> live_;
  std::map<Place, std::vector<LastWord>> left_over_;
};

struct LastWords : ::testing::Test {
  LastWords() { p.world.adapter->set_journal(notes); }
  void kill_server() {
    notes.die();
    p.world.restart(notes);
    p.world.settle();
  }
  void kill_agent_of(const Phone& phone) {
    const bool a = phone.place == kSiteA;
    p.world.lose_edge(phone.place);
    EXPECT_FALSE(phone.has_heard()) << "nobody can reach it";
    p.world.add_edge(phone.place, *IpAddress::parse(a ? "10.1.1.2" : "10.2.2.2"),
                     a ? "site-a" : "site-b");
  }
  // Alice calls Bob, whose telephone rings.
  wire::Message ring() {
    p.alice.invite("sip:bob@example.com", p.alice.sdp());
    auto invite = p.bob.hear_request("INVITE");
    p.bob.respond(invite, 180);
    p.alice.hear_response(180);
    return invite;
  }
  // It rings no more, in the words of RFC 3261 9.
  void expect_cancelled(const wire::Message& invite) {
    const auto cancel = p.bob.hear_request("CANCEL");
    for (const HeaderName name :
         {HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId})
      EXPECT_EQ(cancel.find(name), invite.find(name));
    p.bob.respond(cancel, 200);
    p.bob.respond(invite, 487);
    EXPECT_EQ(p.bob.hear_request("ACK").find(HeaderName::Via), invite.find(HeaderName::Via));
  }
  // Her call has failed. It is said until she has acknowledged it.
  void expect_refused(Phone& caller) {
    const auto refusal = caller.hear_response(480);
    EXPECT_EQ(*refusal.find(HeaderName::CallId), caller.call_id);
    p.world.pass(kT1);
    if (caller.transport == edge::Transport::Udp) {
      EXPECT_EQ(caller.hear_response(480).text(), refusal.text());
    }
    auto ack = wire::Builder::request("ACK", "sip:bob@example.com");
    const auto asked = *wire::Message::parse(caller.last_invite);
    ack.add(HeaderName::Via, *asked.find(HeaderName::Via));
    ack.add(HeaderName::MaxForwards, "70");
    ack.add(HeaderName::From, *asked.find(HeaderName::From));
    ack.add(HeaderName::To, *refusal.find(HeaderName::To));
    ack.add(HeaderName::CallId, caller.call_id);
    ack.add(HeaderName::CSeq, "1 ACK");
    caller.say(ack.finish());
    p.world.pass(k64T1);
    EXPECT_FALSE(caller.has_heard());
  }
  void expect_bye(Phone& phone, const Phone& from) {
    const auto bye = phone.hear_request("BYE");
    EXPECT_EQ(*bye.find(HeaderName::CallId), phone.call_id);
    EXPECT_EQ(tag_of(*bye.find(HeaderName::To)), phone.tag);
    EXPECT_EQ(tag_of(*bye.find(HeaderName::From)), from.tag);
    phone.respond(bye, 200);
  }
  void expect_nothing_left() {
    EXPECT_EQ(notes.live(), 0U);
    p.world.expect_drained();
    EXPECT_FALSE(p.alice.has_heard());
    EXPECT_FALSE(p.bob.has_heard());
  }

  Notes notes;
  Pair p;
};

TEST_F(LastWords, EndTheCallsOfAKilledServerAtBothSides) {
  p.establish();
  EXPECT_EQ(notes.live(), 2U);
  // What gets lost is sent again (RFC 3261 17.1.2): nobody else tells these phones.
  p.world.loses = [first = true](const World::Sent&) mutable {
    return std::exchange(first, false);
  };
  kill_server();
  p.world.pass(seconds{1});
  expect_bye(p.alice, p.bob);
  expect_bye(p.bob, p.alice);
  p.alice.heard.clear();  // what was sent again before the answer
  p.bob.heard.clear();
  expect_nothing_left();
}

TEST_F(LastWords, EndWhatRangWhenTheServerWasKilled) {
  const auto invite = ring();
  kill_server();
  expect_cancelled(invite);
  expect_refused(p.alice);
  expect_nothing_left();
}

TEST_F(LastWords, EndWhatIsAnsweredWhileTheServerIsAway) {
  const auto invite = ring();
  kill_server();
  p.bob.respond(invite, 200, p.bob.sdp());  // before he has heard of the CANCEL
  p.bob.learn_request(invite);
  p.bob.hear_request("CANCEL");
  EXPECT_EQ(*p.bob.hear_request("ACK").find(HeaderName::CSeq), "1 ACK");
  expect_bye(p.bob, p.alice);
  p.bob.heard.clear();  // the CANCEL again, which he has not answered
  expect_refused(p.alice);
  p.bob.heard.clear();
  expect_nothing_left();
}

TEST_F(LastWords, EndWhatRangOverAConnectionThatIsGone) {
  Phone& carol = p.world.phone(kSiteA, "carol", "10.1.1.7:5060", edge::Transport::Tcp);
  carol.invite("sip:bob@example.com", carol.sdp());
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.respond(invite, 180);
  carol.hear_response(180);
  kill_server();
  expect_cancelled(invite);
  expect_refused(carol);  // on a connection to where she listens (RFC 3261 18.2.2)
  EXPECT_EQ(notes.live(), 0U);
}

// A disk that returned something else than was written must not keep the server from starting.
TEST_F(LastWords, AreNotSaidWhenTheyAreDamaged) {
  std::uint64_t call = 0;
  for (const char* message :
       {"", "x", "INVITE", "INVITE sip:bob@10.2.2.2 SIP/2.0\r\n\r\n",
        "INVITE sip:bob@10.2.2.2 SIP/2.0\r\nVia: rubbish\r\n\r\n",
        "OPTIONS sip:bob@10.2.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.2.2.2;branch=z9hG4bK1\r\n\r\n",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.2.2.2;branch=z9hG4bK1\r\n\r\n"})
    for (const auto kind : {LastWord::Kind::Bye, LastWord::Kind::Refusal, LastWord::Kind::Cancel})
      notes.on_leg(CallId{++call}, 0, {kind, {.place = p.bob.place, .remote = p.bob.at}, message});
  kill_server();
  p.world.pass(k64T1);
  expect_nothing_left();
}

TEST_F(LastWords, CancelOnlyTheTelephonesThatStillRing) {
  Phone& desk = p.world.phone(kSiteB, "desk", "10.2.2.7:5060");
  Phone& mobile = p.world.phone(kSiteB, "mobile", "10.2.2.8:5060");
  for (const Phone* phone : {&desk, &mobile})
    p.world.routing.targets["sip:bob@example.com"].push_back(p.world.binding(*phone));
  const auto invite = ring();
  const auto at_desk = desk.hear_request("INVITE");
  desk.respond(at_desk, 180);
  const auto at_mobile = mobile.hear_request("INVITE");
  mobile.respond(at_mobile, 480);
  mobile.hear_request("ACK");
  p.alice.heard.clear();
  kill_server();
  expect_cancelled(invite);
  const auto cancel = desk.hear_request("CANCEL");
  EXPECT_EQ(cancel.find(HeaderName::Via), at_desk.find(HeaderName::Via));
  desk.respond(cancel, 200);
  desk.respond(at_desk, 487);
  desk.hear_request("ACK");
  EXPECT_FALSE(mobile.has_heard());
  expect_refused(p.alice);
  expect_nothing_left();
}

TEST_F(LastWords, EndTheCallAtThePhoneOfALostAgentWhenItIsBack) {
  p.establish();
  kill_agent_of(p.bob);
  expect_bye(p.bob, p.alice);
  expect_bye(p.alice, p.bob);
  expect_nothing_left();
}

TEST_F(LastWords, EndTheRingingAtThePhoneOfALostAgentWhenItIsBack) {
  const auto invite = ring();
  kill_agent_of(p.bob);
  expect_cancelled(invite);
  expect_refused(p.alice);
  expect_nothing_left();
}

TEST_F(LastWords, RefuseTheCallerWhoseAgentWasLostWhenItIsBack) {
  const auto invite = ring();
  kill_agent_of(p.alice);
  expect_cancelled(invite);
  expect_refused(p.alice);
  expect_nothing_left();
}

TEST_F(LastWords, AreNotNeededForWhatEndsByItself) {
  const auto invite = ring();
  p.bob.respond(invite, 486);
  p.bob.hear_request("ACK");
  p.alice.hear_response(486);
  EXPECT_EQ(notes.live(), 0U);
  p.establish();
  p.hang_up();
  EXPECT_EQ(notes.live(), 0U);
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
