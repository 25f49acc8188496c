// The torture messages of RFC 4475 said to the SIP adapter, from inside and from outside: every
// valid one is carried or answered as RFC 3261 has it, every invalid one refused or dropped.
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>

#include "adapter/sip/test_world.h"

namespace sallyport::adapter::sip::test {
namespace {

constexpr int kCarried = 1;  // to the callee
constexpr int kSilence = 0;

struct Torture {
  const char* name;
  int fate;  // kCarried, kSilence, or the status of the answer
};

// wsinv has a To tag, so it belongs to a dialog, and nobody here has that dialog.
constexpr std::array kTorture{
    Torture{"wsinv", 481},         Torture{"intmeth", kCarried},
    Torture{"esc01", kCarried},    Torture{"escnull", 200},
    Torture{"esc02", kCarried},    Torture{"lwsdisp", kCarried},
    Torture{"longreq", kCarried},  Torture{"dblreq", 200},
    Torture{"semiuri", kCarried},  Torture{"transports", kCarried},
    Torture{"mpart01", kCarried},  Torture{"unreason", kSilence},
    Torture{"noreason", kSilence}, Torture{"badinv01", 400},
    Torture{"clerr", 400},         Torture{"ncl", 400},
    Torture{"scalar02", 400},      Torture{"scalarlg", kSilence},
    Torture{"quotbal", 400},       Torture{"ltgtruri", 400},
    Torture{"lwsruri", 400},       Torture{"lwsstart", 400},
    Torture{"trws", 400},          Torture{"escruri", 400},
    Torture{"baddate", 400},       Torture{"regbadct", 400},
    Torture{"badaspec", 400},      Torture{"baddn", 400},
    Torture{"badvers", 505},       Torture{"mismatch01", 400},
    Torture{"mismatch02", 400},    Torture{"bigcode", kSilence},
    Torture{"badbranch", 400},     Torture{"insuf", kSilence},
    Torture{"unkscm", 416},        Torture{"novelsc", 416},
    Torture{"unksm2", 200},        Torture{"bext01", 420},
    Torture{"invut", kCarried},    Torture{"regaut01", 200},
    Torture{"multi01", 400},       Torture{"mcl01", 400},
    Torture{"bcast", kSilence},    Torture{"zeromf", 200},
    Torture{"cparam01", 200},      Torture{"cparam02", 200},
    Torture{"regescrt", 200},      Torture{"sdp01", kCarried},
    Torture{"inv2543", kCarried},
};
static_assert(kTorture.size() == 49);

std::string vector_of(const char* name) {
  std::ifstream file{std::string{SALLYPORT_WIRE_VECTORS "/rfc4475/"} + name + ".dat",
                     std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

class Rfc4475Adapter : public testing::TestWithParam<Torture> {};

TEST_P(Rfc4475Adapter, CarriesRefusesOrDropsIt) {
  const std::string text = vector_of(GetParam().name);
  ASSERT_FALSE(text.empty());
  for (const bool inside : {true, false}) {
    World world;
    Phone& from = inside ? world.phone(kSiteA, "from", "10.1.1.5:5060")
                         : world.phone(kOutside, "from", "192.0.2.66:5060");
    Phone& callee = world.phone(kSiteB, "callee", "10.2.2.6:5060");
    world.routing.everybody = world.binding(callee);
    from.say(text);
    EXPECT_EQ(callee.has_heard(), GetParam().fate == kCarried);
    if (callee.has_heard()) {
      EXPECT_TRUE(callee.hear().validate());
    }
    int status = 0;
    for (const auto& message : world.sent) {
      const auto answer = wire::Message::parse(message.text);
      if (message.place == from.place && answer && answer->status() >= 200)
        status = answer->status();
    }
    EXPECT_EQ(status, GetParam().fate == kCarried ? 0 : GetParam().fate) << text;
    if (inside) world.expect_nothing_leaked();
    world.expect_drained();
  }
}

INSTANTIATE_TEST_SUITE_P(All, Rfc4475Adapter, testing::ValuesIn(kTorture),
                         [](const auto& test) { return std::string{test.param.name}; });

}  // namespace
}  // namespace sallyport::adapter::sip::test
