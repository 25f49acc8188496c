// Transfers and subscriptions (RFC 5359, RFC 3515, RFC 3891, RFC 6665) through two sides that do
// not know each other's dialogs.
#include "adapter/sip/test_call.h"
#include "codec/sip/dialog_info.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip::test {
namespace {

using wire::HeaderName;

std::string frag(std::string_view status) { return "SIP/2.0 " + std::string(status) + "\r\n"; }
constexpr std::string_view kFragHeaders =
    "Event: refer\r\nContent-Type: message/sipfrag\r\nSubscription-State: ";

TEST(Transfer, BlindSendsTheOtherPartyToAThird) {
  Pair p;
  Phone& carol = p.world.phone(kOutside, "carol", "192.0.2.30:5060");
  p.world.enrol(carol);
  p.establish();
  // Bob, whose phone takes the agent for the domain, sends Alice to Carol.
  p.bob.in_dialog("REFER", "Refer-To: <sip:carol@10.2.2.2>\r\nReferred-By: <sip:bob@10.2.2.2>\r\n");
  const auto refer = p.alice.hear_request("REFER");
  const auto refer_to = wire::NameAddr::parse(*refer.find(HeaderName::ReferTo));
  ASSERT_TRUE(refer_to);
  EXPECT_EQ(refer_to->uri.text, "sip:carol@10.1.1.2:5060");
  EXPECT_EQ(*refer.find(HeaderName::ReferredBy), "<sip:bob@example.com>");
  p.alice.respond(refer, 202);
  p.bob.hear_response(202);
  p.alice.learn_request(refer);
  p.alice.in_dialog("NOTIFY", std::string(kFragHeaders) + "active;expires=60\r\n",
                    frag("100 Trying"));
  p.bob.respond(p.bob.hear_request("NOTIFY"), 200);
  p.alice.hear_response(200);
  p.bob.in_dialog("BYE");
  p.alice.respond(p.alice.hear_request("BYE"), 200);
  p.bob.hear_response(200);
  EXPECT_TRUE(p.world.adapter->calls().empty());
  // After the BYE the transfer still reports.
  p.alice.in_dialog("NOTIFY", std::string(kFragHeaders) + "terminated;reason=noresource\r\n",
                    frag("200 OK"));
  p.bob.respond(p.bob.hear_request("NOTIFY"), 200);
  p.alice.hear_response(200);
  p.world.expect_nothing_leaked();
  p.world.expect_drained();
}

// RFC 5359 2.5: Bob talks to Alice, then to Carol, then makes the two talk to each other.
void transfer_attended(Place place_of_carol, std::string_view address_of_carol) {
  Pair p;
  World& world = p.world;
  Phone& carol = world.phone(place_of_carol, "carol", address_of_carol);
  world.enrol(carol);
  p.establish();
  // Bob's second line.
  Phone& line2 = world.phone(kSiteB, "line2", "10.2.2.6:5070");
  line2.invite("sip:carol@example.com", line2.sdp(5010));
  const auto to_carol = carol.hear_request("INVITE");
  carol.learn_request(to_carol);
  carol.respond(to_carol, 200, carol.sdp(6000));
  line2.learn(line2.hear_response(200));
  line2.ack();
  carol.hear_request("ACK");

  const std::string replaces =
      wire::escape_header(line2.call_id + ";to-tag=" + carol.tag + ";from-tag=" + line2.tag);
  p.bob.in_dialog("REFER", "Refer-To: <" + line2.target + "?Replaces=" + replaces + ">\r\n");
  const auto refer = p.alice.hear_request("REFER");
  p.alice.respond(refer, 202);
  p.bob.hear_response(202);

  // Alice does as she is told: INVITE to what she was given, with that Replaces.
  const auto refer_to = wire::NameAddr::parse(*refer.find(HeaderName::ReferTo));
  ASSERT_TRUE(refer_to);
  EXPECT_EQ(std::string(refer_to->uri.host), "10.1.1.2");
  const std::string uri = "sip:" + std::string(refer_to->uri.user) + "@10.1.1.2:5060";
  const std::string header(refer_to->uri.headers);
  ASSERT_TRUE(header.starts_with("Replaces=")) << header;
  Phone& alice2 = world.phone(kSiteA, "alice2", "10.1.1.5:5071");
  alice2.invite(uri, alice2.sdp(4010), "Replaces: " + wire::unescape(header.substr(9)) + "\r\n");
  const auto third = carol.hear_request("INVITE");
  EXPECT_EQ(std::string(third.request_uri()).substr(0, 10), "sip:carol@");
  const auto replaced = wire::DialogId::parse(*third.find(HeaderName::Replaces));
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->call_id, *to_carol.find(HeaderName::CallId)) << "as Carol knows that dialog";
  EXPECT_EQ(replaced->to_tag, carol.tag);
  EXPECT_EQ(replaced->from_tag, line2.tag);

  // Carol takes the new call, and ends the one that it replaces.
  const std::string old_tag = carol.tag;
  carol.tag = "carol-again";
  carol.respond(third, 200, carol.sdp(6002));
  const auto ok = alice2.hear_response(200);
  EXPECT_EQ(world.paths.way_from(media_of(ok), kSiteA), (TransportAddress{carol.at.ip, 6002}));
  alice2.learn(ok);
  alice2.ack();
  carol.hear_request("ACK");
  carol.tag = old_tag;
  carol.in_dialog("BYE");
  line2.respond(line2.hear_request("BYE"), 200);
  carol.hear_response(200);
  p.bob.in_dialog("BYE");
  p.alice.respond(p.alice.hear_request("BYE"), 200);
  p.bob.hear_response(200);
  carol.tag = "carol-again";
  alice2.in_dialog("BYE");
  carol.respond(carol.hear_request("BYE"), 200);
  alice2.hear_response(200);
  world.expect_nothing_leaked();
  // The REFER's subscription was never ended: it runs out by itself.
  world.pass(std::chrono::minutes{4});
  world.expect_drained();
}

TEST(Transfer, AttendedJoinsAliceWithAPublicPhone) {
  transfer_attended(kOutside, "192.0.2.30:5060");
}
TEST(Transfer, AttendedJoinsAliceWithAPhoneOfBobsSite) {
  transfer_attended(kSiteB, "10.2.2.30:5060");
}
TEST(Transfer, AttendedJoinsAliceWithAPhoneOfHerOwnSite) {
  transfer_attended(kSiteA, "10.1.1.30:5060");
}

// RFC 3911 and RFC 4538: Alice's neighbour knows her dialog from her, and speaks to Bob about it.
TEST(References, NameADialogAsTheOtherSideKnowsIt) {
  Pair p;
  Phone& carol = p.world.phone(kSiteA, "carol", "10.1.1.7:5060");
  p.establish();
  ASSERT_NE(p.alice.call_id, p.bob.call_id) << "Alice's names her address";
  const std::string tags_of_join = ";to-tag=" + p.bob.tag + ";from-tag=" + p.alice.tag;
  carol.invite("sip:bob@example.com", carol.sdp(4020),
               "Join: " + p.alice.call_id + tags_of_join + "\r\n");
  const auto joining = p.bob.hear_request("INVITE");
  EXPECT_EQ(joining.find(HeaderName::Join), p.bob.call_id + tags_of_join);
  p.bob.respond(joining, 486);
  p.bob.hear_request("ACK");
  carol.hear_response(486);
  carol.ack();

  const std::string tags = " ;local-tag=" + p.bob.tag + " ;remote-tag=" + p.alice.tag;
  carol.say(carol.request(
      "REFER", "sip:bob@example.com", "<sip:carol@example.com>;tag=c", "<sip:bob@example.com>",
      "ref-1", 1,
      "Refer-To: <sip:dave@example.com>\r\nTarget-Dialog: " + p.alice.call_id + tags + "\r\n"));
  const auto refer = p.bob.hear_request("REFER");
  EXPECT_EQ(refer.find_other("Target-Dialog"), p.bob.call_id + tags);
  p.bob.respond(refer, 403);
  carol.hear_response(403);
  p.finish();
}

// RFC 4235 with RFC 3891: a lamp at another site shows that Bob's phone rings, and its key takes
// the call. Bob's phone tells the watcher of the dialog as it knows it itself.
void pick_up(Place place_of_watcher, std::string_view address_of_watcher) {
  Pair p;
  Phone& watcher = p.world.phone(place_of_watcher, "watcher", address_of_watcher);
  p.alice.invite("sip:bob@example.com", p.alice.sdp(4000));
  const auto ringing = p.bob.hear_request("INVITE");
  p.bob.learn_request(ringing);
  p.bob.respond(ringing, 180);
  p.alice.hear_response(180);

  Phone& lamp = p.world.phone(kSiteB, "bob", "10.2.2.6:5060");
  lamp.local_name = "<sip:bob@example.com>";
  watcher.local_name = "<sip:watcher@example.com>";
  watcher.say(watcher.request("SUBSCRIBE", "sip:bob@example.com", watcher.local_name + ";tag=w",
                              "<sip:bob@example.com>", "blf-1", 1,
                              "Event: dialog\r\nExpires: 600\r\n"));
  const auto subscribe = p.bob.hear_request("SUBSCRIBE");
  lamp.learn_request(subscribe);
  p.bob.respond(subscribe, 200, {}, "Expires: 600\r\n");
  watcher.hear_response(200);
  lamp.tag = p.bob.tag;
  const auto told = [&](const std::string& call_id) {
    return "<dialog-info><dialog id=\"1\" call-id=\"" + call_id + "\" local-tag=\"" + p.bob.tag +
           "\" remote-tag=\"" + p.alice.tag +
           "\"><state>early</state><local><target uri=\"sip:bob@10.2.2.6\"/></local></dialog>";
  };
  lamp.in_dialog("NOTIFY",
                 "Event: dialog\r\nSubscription-State: active\r\n"
                 "Content-Type: application/dialog-info+xml\r\n",
                 told(p.bob.call_id));
  const auto notify = watcher.hear_request("NOTIFY");
  watcher.respond(notify, 200);
  p.bob.hear_response(200);
  const auto named = wire::find_named_dialogs(notify.body());
  ASSERT_EQ(named.size(), 1U);
  EXPECT_EQ(notify.body().find("sip:bob@10.2.2.6") != std::string_view::npos,
            place_of_watcher == kSiteB);

  watcher.invite("sip:bob@example.com", watcher.sdp(4040),
                 "Replaces: " + std::string(named[0].call_id) +
                     ";to-tag=" + std::string(named[0].local_tag) +
                     ";from-tag=" + std::string(named[0].remote_tag) + ";early-only\r\n");
  const auto taken = p.bob.hear_request("INVITE");
  EXPECT_EQ(taken.find(HeaderName::Replaces),
            p.bob.call_id + ";to-tag=" + p.bob.tag + ";from-tag=" + p.alice.tag + ";early-only");
  p.world.expect_nothing_leaked();
}

TEST(Pickup, NamesTheDialogAtTheCallersSite) { pick_up(kSiteA, "10.1.1.30:5060"); }
TEST(Pickup, NamesTheDialogAtThePhonesOwnSite) { pick_up(kSiteB, "10.2.2.30:5060"); }
TEST(Pickup, NamesTheDialogOutside) { pick_up(kOutside, "192.0.2.30:5060"); }

TEST(Subscription, CarriesNotificationsUntilItIsTerminated) {
  Pair p(kOutside);
  p.alice.call_id = "sub-1@10.1.1.5";
  p.alice.local_name = "<sip:alice@example.com>";
  p.alice.say(p.alice.request("SUBSCRIBE", "sip:bob@example.com",
                              p.alice.local_name + ";tag=" + p.alice.tag, "<sip:bob@example.com>",
                              p.alice.call_id, 1, "Event: presence\r\nExpires: 600\r\n"));
  const auto subscribe = p.bob.hear_request("SUBSCRIBE");
  p.bob.learn_request(subscribe);
  // RFC 6665 4.1.3: the NOTIFY may be faster than the 200.
  p.bob.in_dialog("NOTIFY", "Event: presence\r\nSubscription-State: active;expires=600\r\n");
  const auto first = p.alice.hear_request("NOTIFY");
  EXPECT_EQ(*first.find(HeaderName::CallId), p.alice.call_id);
  p.alice.respond(first, 200);
  p.bob.hear_response(200);
  p.bob.respond(subscribe, 200, {}, "Expires: 600\r\n");
  p.alice.hear_response(200);
  p.world.pass(seconds{300});
  p.bob.in_dialog("NOTIFY", "Event: presence\r\nSubscription-State: terminated\r\n");
  p.alice.respond(p.alice.hear_request("NOTIFY"), 200);
  p.bob.hear_response(200);
  p.world.expect_nothing_leaked();
  p.world.expect_drained();
}

TEST(Subscription, EndsWhenNobodyRenewsIt) {
  Pair p(kOutside);
  p.alice.local_name = "<sip:alice@example.com>";
  p.alice.say(p.alice.request("SUBSCRIBE", "sip:bob@example.com",
                              p.alice.local_name + ";tag=" + p.alice.tag, "<sip:bob@example.com>",
                              "sub-2", 1, "Event: dialog\r\nExpires: 60\r\n"));
  p.bob.respond(p.bob.hear_request("SUBSCRIBE"), 200, {}, "Expires: 60\r\n");
  p.alice.hear_response(200);
  EXPECT_GT(p.world.adapter->size(), 0U);
  p.world.pass(seconds{95});
  p.world.expect_drained();
}

TEST(Subscription, IsRefusedANotifyOutOfNowhere) {
  Pair p(kOutside);
  p.bob.local_name = "<sip:bob@example.com>";
  p.bob.say(p.bob.request("NOTIFY", "sip:alice@198.51.100.1", "<sip:bob@example.com>;tag=b",
                          "<sip:alice@example.com>;tag=a", "nobody-knows", 1,
                          "Event: presence\r\nSubscription-State: active\r\n"));
  p.bob.hear_response(481);
  p.world.expect_drained();
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
