#include "adapter/h323/alias.h"

#include <gtest/gtest.h>

namespace sallyport::adapter::h323 {
namespace {

using Kind = Alias::Kind;

TEST(Alias, IsOneNameHoweverItIsSpelt) {
  EXPECT_EQ(identity_of({Kind::DialedDigits, "5551234"}), "number:5551234");
  EXPECT_EQ(identity_of({Kind::PublicNumber, "5551234"}), "number:5551234");
  EXPECT_NE(identity_of({Kind::PrivateNumber, "5551234"}), "number:5551234");
  EXPECT_EQ(identity_of({Kind::UrlId, "H323:Alice@Example.ORG"}), "url:h323:Alice@example.org");
  EXPECT_EQ(identity_of({Kind::EmailId, "Alice@Example.ORG"}), "email:Alice@example.org");
  EXPECT_EQ(identity_of({Kind::H323Id, "Room One"}), "h323-id:Room One");
}

TEST(Alias, IsFoundAgainFromItsIdentity) {
  for (const Alias& alias :
       {Alias{Kind::DialedDigits, "5551234"}, Alias{Kind::H323Id, "Z\u00fcrich"},
        Alias{Kind::UrlId, "h323:alice@example.org"}, Alias{Kind::EmailId, "a@example.org"},
        Alias{Kind::PrivateNumber, "42"}, Alias{Kind::DataNumber, "1"},
        Alias{Kind::TelexNumber, "2"}, Alias{Kind::NationalNumber, "3"}})
    EXPECT_EQ(alias_of(identity_of(alias)), alias);
  EXPECT_EQ(alias_of("sip:alice@example.org"), std::nullopt);
  EXPECT_EQ(alias_of(identity_of_prefix("49")), std::nullopt);
  EXPECT_EQ(prefix_of(identity_of_prefix("49")), "49");
  EXPECT_EQ(prefix_of("number:49"), std::nullopt);
}

TEST(Alias, DialsDigitsWhereThatIsAllItSays) {
  EXPECT_EQ(digits_of({Kind::DialedDigits, "*5#"}), "*5#");
  EXPECT_EQ(digits_of({Kind::PublicNumber, "4930"}), "4930");
  EXPECT_EQ(digits_of({Kind::H323Id, "5551234"}), "5551234");
  EXPECT_EQ(digits_of({Kind::H323Id, "room5"}), std::nullopt);
  EXPECT_EQ(digits_of({Kind::UrlId, "h323:5551234@example.org"}), "5551234");
  EXPECT_EQ(digits_of({Kind::UrlId, "h323:alice@example.org"}), std::nullopt);
}

TEST(Alias, NamesAUserAtAHost) {
  using Address = UserAtHost;
  EXPECT_EQ(address_of({Kind::UrlId, "h323:Alice@Example.org:1721;type=gk"}),
            (Address{"Alice", "example.org:1721"}));
  EXPECT_EQ(address_of({Kind::UrlId, "h323:example.org"}), (Address{"", "example.org"}));
  EXPECT_EQ(address_of({Kind::UrlId, "h323:alice"}), (Address{"alice", ""}));
  EXPECT_EQ(address_of({Kind::UrlId, "h323:@example.org"}), (Address{"", "example.org"}));
  EXPECT_EQ(address_of({Kind::EmailId, "alice@example.org"}), (Address{"alice", "example.org"}));
  EXPECT_EQ(address_of({Kind::H323Id, "alice@example.org"}), (Address{"alice", "example.org"}));
  for (const Alias& none : {Alias{Kind::UrlId, "sip:alice@example.org"},
                            Alias{Kind::UrlId, "h323:"}, Alias{Kind::H323Id, "alice"},
                            Alias{Kind::H323Id, "alice@"}, Alias{Kind::DialedDigits, "5@6"}})
    EXPECT_EQ(address_of(none), std::nullopt) << none.value;
}

}  // namespace
}  // namespace sallyport::adapter::h323
