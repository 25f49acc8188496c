// Registration with passwords, by each procedure, and what must not pass for it.
#include "adapter/h323/h235.h"

#include <openssl/evp.h>

#include "adapter/h323/test_ras.h"

namespace sallyport::adapter::h323::test {
namespace {

using Asks = h225::RegistrationRequest;
using Edit = per::Edit<Asks>;

Buffer md5(Bytes of) {
  Buffer out(16);
  EVP_Digest(of.data(), of.size(), out.data(), nullptr, EVP_md5(), nullptr);
  return out;
}

std::int64_t in_seconds(WallTime time) {
  return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}

class H235Test : public ::testing::Test {
 protected:
  static Config config() {
    Config out = RasWorld::open_config();
    out.authenticate = true;
    return out;
  }

  // As its sendersID has it: two octets for each character, with a NUL or without.
  static Buffer sender(std::string_view name, bool ends_with_nul) {
    Buffer out;
    for (const char c : name) {
      out.push_back(0);
      out.push_back(static_cast<std::uint8_t>(c));
    }
    if (ends_with_nul) out.insert(out.end(), {0, 0});
    return out;
  }

  // Tokens that a terminal makes say whose gatekeeper they are for where ours say who they are
  // from.
  Sealing sealing(const std::string& password, bool version_1 = false, bool ends_with_nul = true) {
    return {.key = H235::key_of(password),
            .peer = sender("sallyport", ends_with_nul),
            .version_1 = version_1};
  }
  // What a terminal signs as: seal() puts our own name there.
  std::shared_ptr<per::Message> register_signed(RasTerminal& terminal, const std::string& as,
                                                const Sealing& with) {
    Config its = world.config;
    its.gatekeeper = as;
    its.authenticate = true;
    H235 h235{its, world.users, world.random};
    begin(terminal, as);
    terminal.octets.clear();
    EXPECT_TRUE(h235.seal(terminal.message, terminal.message.root().chosen(), with,
                          terminal.clock(), terminal.octets));
    return terminal.repeat();
  }
  void begin(RasTerminal& terminal, const std::string& name) {
    auto request =
        begin_ras(terminal.message, RasMessage::kRegistrationRequest, ++terminal.sequence);
    request[Asks::kDiscoveryComplete].set(1);
    codec::h323::set_address(request[Asks::kCallSignalAddress].append(), terminal.signalling);
    codec::h323::set_address(request[Asks::kRasAddress].append(), terminal.hop.remote);
    RasTerminal::fill_type(request[Asks::kTerminalType]);
    write_aliases(request[Asks::kTerminalAlias], {id(name)});
    RasTerminal::fill_vendor(request[Asks::kEndpointVendor]);
    request[Asks::kKeepAlive].set(0);
  }
  RasTerminal terminal(Place place = kSiteA) {
    return {world, place, "10.1.1.5:1719", "10.1.1.2:1719"};
  }
  std::shared_ptr<per::Message> register_with_md5(const std::string& name,
                                                  const std::string& password, bool nul) {
    RasTerminal alice = terminal();
    const std::int64_t stamp = in_seconds(world.out.wall);
    const std::string end = nul ? std::string{"\0", 1} : std::string{};
    per::Message hashed;
    auto clear = hashed.make<h235::ClearToken>();
    const std::array<std::uint8_t, 1> no_oid = {0};
    clear[h235::ClearToken::kTokenOID].set_octets(no_oid);
    clear[h235::ClearToken::kTimeStamp].set(stamp);
    clear[h235::ClearToken::kPassword].set_text(password + end);
    clear[h235::ClearToken::kGeneralID].set_text(name + end);
    Buffer encoded;
    EXPECT_TRUE(hashed.encode(encoded));
    return alice.register_as({id(name)}, [&](Edit request) {
      auto token = request[Asks::kCryptoTokens].append()[h225::CryptoH323Token::kCryptoEPPwdHash];
      using Token = h225::CryptoH323Token::CryptoEPPwdHash;
      write_alias(token[Token::kAlias], id(name));
      token[Token::kTimeStamp].set(stamp);
      auto hash = token[Token::kToken];
      const std::array<std::uint8_t, 8> oid = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05};
      hash[Token::Token::kAlgorithmOID].set_octets(oid);
      (void)hash[Token::Token::kParamS];
      hash[Token::Token::kHash].set_bits(md5(encoded), 128);
    });
  }
  std::shared_ptr<per::Message> register_with_cat(const std::string& name,
                                                  const std::string& password) {
    RasTerminal alice = terminal();
    const auto stamp = static_cast<std::uint32_t>(in_seconds(world.out.wall));
    Buffer hashed{42};
    Writer{hashed}.bytes(as_bytes(password)).u32(stamp);
    return alice.register_as({id(name)}, [&](Edit request) {
      auto token = request[Asks::kTokens].append();
      const std::array<std::uint8_t, 10> oid = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                                0x0c, 0x0a, 0x01, 0x02, 0x01};
      token[h235::ClearToken::kTokenOID].set_octets(oid);
      token[h235::ClearToken::kTimeStamp].set(stamp);
      token[h235::ClearToken::kRandom].set(42);
      token[h235::ClearToken::kGeneralID].set_text(name);
      token[h235::ClearToken::kChallenge].set_octets(md5(hashed));
    });
  }

  RasWorld world{config()};
};

TEST_F(H235Test, RefusesWhoShowsNoPassword) {
  world.add_user("alice", "secret");
  EXPECT_EQ(what(terminal().register_as({id("alice")})), "registrationReject securityDenial");
  EXPECT_EQ(what(terminal().register_as({id("bob")})), "registrationReject securityDenial");
}

TEST_F(H235Test, TakesH2351OverTheWholeMessageAndAnswersWithIt) {
  world.add_user("alice", "secret");
  for (const bool version_1 : {false, true})
    for (const bool nul : {false, true}) {
      RasTerminal alice = terminal();
      const auto answer = register_signed(alice, "alice", sealing("secret", version_1, nul));
      ASSERT_EQ(what(answer), "registrationConfirm") << version_1 << nul;

      // The terminal checks the answer as we check its request, and knows itself by its own name.
      Config its = world.config;
      its.gatekeeper = "alice";
      FakeUsers known;
      brain::User us;
      us.name = "sallyport";
      us.realm = its.domain;
      us.password_sha1 = to_hex(H235::key_of("secret"));
      known.put(us);
      H235 h235{its, known, world.random};
      const Buffer octets = world.sent.back().octets;
      const Proof proof = h235.check(*answer, answer->root().chosen(), octets, {}, world.out.wall);
      EXPECT_EQ(name(proof.state), "good");
    }
}

TEST_F(H235Test, NoticesAnyChangeOfTheMessage) {
  world.add_user("alice", "secret");
  RasTerminal alice = terminal();
  ASSERT_EQ(what(register_signed(alice, "alice", sealing("secret"))), "registrationConfirm");
  const Buffer whole = alice.octets;
  std::size_t passed = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    world.advance(seconds{1});
    alice.octets = whole;
    alice.octets[i] ^= 0x01;
    const auto answer = alice.repeat();
    passed += what(answer) == "registrationConfirm" ? 1 : 0;
  }
  EXPECT_EQ(passed, 0U);
}

TEST_F(H235Test, RefusesAWrongPasswordAndInTheEndDoesNotLook) {
  world.add_user("alice", "secret");
  RasTerminal alice = terminal();
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(what(register_signed(alice, "alice", sealing("guess"))),
              "registrationReject securityDenial");
  EXPECT_EQ(what(register_signed(alice, "alice", sealing("secret"))),
            "registrationReject securityDenial")
      << "guessing is slowed down";
  ASSERT_EQ(world.gatekeeper.blocked(world.out.steady).size(), 1U);
  world.advance(seconds{31});
  EXPECT_EQ(what(register_signed(alice, "alice", sealing("secret"))), "registrationConfirm");
}

TEST_F(H235Test, TakesNothingTwiceAndNothingOld) {
  world.add_user("alice", "secret");
  RasTerminal alice = terminal();
  ASSERT_EQ(what(register_signed(alice, "alice", sealing("secret"))), "registrationConfirm");
  RasTerminal thief{world, kSiteA, "10.1.1.66:1719", "10.1.1.2:1719"};
  thief.octets = alice.octets;
  EXPECT_EQ(what(thief.repeat()), "registrationReject securityDenial") << "it is a copy";
  alice.skew = -std::chrono::minutes{11};
  EXPECT_EQ(what(register_signed(alice, "alice", sealing("secret"))),
            "registrationReject securityDenial");
  alice.skew = std::chrono::minutes{9};
  EXPECT_EQ(what(register_signed(alice, "alice", sealing("secret"))), "registrationConfirm");
}

TEST_F(H235Test, GivesAUsersNameToNobodyElse) {
  world.add_user("alice", "secret");
  world.add_user("bob", "other");
  RasTerminal bob = terminal();
  Config its = world.config;
  its.gatekeeper = "bob";
  H235 h235{its, world.users, world.random};
  begin(bob, "alice");
  bob.octets.clear();
  ASSERT_TRUE(h235.seal(bob.message, bob.message.root().chosen(), sealing("other"), world.out.wall,
                        bob.octets));
  EXPECT_EQ(what(bob.repeat()), "registrationReject securityDenial");
}

TEST_F(H235Test, LetsAUserMoveToAnotherAddress) {
  world.add_user("alice", "secret");
  RasTerminal alice = terminal();
  ASSERT_EQ(what(register_signed(alice, "alice", sealing("secret"))), "registrationConfirm");
  RasTerminal moved{world, kSiteB, "10.2.2.5:1719", "10.2.2.2:1719"};
  world.sent.clear();
  EXPECT_EQ(what(register_signed(moved, "alice", sealing("secret"))), "registrationConfirm");
  EXPECT_EQ(what(world.sent.front().message), "unregistrationRequest");
  EXPECT_EQ(world.sent.front().to.remote, alice.hop.remote);
  EXPECT_EQ(world.endpoints.size(), 1U);
}

TEST_F(H235Test, LeavesNothingUnsignedOfWhoSigns) {
  world.add_user("alice", "secret");
  RasTerminal alice = terminal();
  const auto answer = register_signed(alice, "alice", sealing("secret"));
  alice.endpoint = answer
                       ->root<RasMessage>()[RasMessage::kRegistrationConfirm]
                                           [h225::RegistrationConfirm::kEndpointIdentifier]
                       .text();
  EXPECT_EQ(what(alice.call({id("alice")})), "admissionReject securityDenial");
  EXPECT_EQ(what(alice.keep_alive()), "registrationReject securityDenial");
}

TEST_F(H235Test, TakesTheMd5OfAPasswordOnlyWhereThatIsAllowed) {
  world.add_user("alice", "secret");
  EXPECT_EQ(what(register_with_md5("alice", "secret", true)), "registrationReject securityDenial");
  world.config.accept_md5 = true;
  world.advance(seconds{1});
  EXPECT_EQ(what(register_with_md5("alice", "secret", true)), "registrationConfirm");
  world.advance(seconds{1});
  EXPECT_EQ(what(register_with_md5("alice", "secret", false)), "registrationConfirm");
  world.advance(seconds{1});
  EXPECT_EQ(what(register_with_md5("alice", "guess", true)), "registrationReject securityDenial");
}

TEST_F(H235Test, TakesCiscosTokensOnlyWhereTheyAreAllowed) {
  world.add_user("alice", "secret");
  EXPECT_EQ(what(register_with_cat("alice", "secret")), "registrationReject securityDenial");
  world.config.accept_cat = true;
  world.advance(seconds{1});
  EXPECT_EQ(what(register_with_cat("alice", "secret")), "registrationConfirm");
  world.advance(seconds{1});
  EXPECT_EQ(what(register_with_cat("alice", "guess")), "registrationReject securityDenial");
}

TEST_F(H235Test, AsksForAPasswordFromOutsideWhateverTheConfigurationSays) {
  world.config.authenticate = false;
  RasTerminal stranger{world, Place::outside(), "192.0.2.5:1719", "198.51.100.1:1719"};
  EXPECT_EQ(what(stranger.register_as({id("alice")})), "registrationReject securityDenial");
}

TEST_F(H235Test, OffersTheFirstProcedureThatBothKnow) {
  const std::array<std::uint8_t, 7> hmac = {0x00, 0x08, 0x81, 0x6b, 0x00, 0x02, 0x06};
  const std::array<std::uint8_t, 8> md5_oid = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05};
  RasTerminal alice = terminal();
  const auto discover = [&](const std::vector<Bytes>& oids) {
    using Discovers = h225::GatekeeperRequest;
    const auto answer =
        alice.ask(RasMessage::kGatekeeperRequest, [&](per::Edit<Discovers> request) {
          codec::h323::set_address(request[Discovers::kRasAddress], alice.hop.remote);
          RasTerminal::fill_type(request[Discovers::kEndpointType]);
          for (const Bytes oid : oids) request[Discovers::kAlgorithmOIDs].append().set_octets(oid);
        });
    return to_buffer(answer
                         ->root<RasMessage>()[RasMessage::kGatekeeperConfirm]
                                             [h225::GatekeeperConfirm::kAlgorithmOID]
                         .octets());
  };
  EXPECT_EQ(discover({md5_oid, hmac}), to_buffer(Bytes{hmac}));
  EXPECT_EQ(discover({md5_oid}), Buffer{}) << "it is not allowed";
  world.config.accept_md5 = true;
  EXPECT_EQ(discover({md5_oid}), to_buffer(Bytes{md5_oid}));
}

}  // namespace
}  // namespace sallyport::adapter::h323::test
