// Who sent a RAS or call signalling message, shown by H.235 tokens: H.235.1 (HMAC-SHA1-96 over the
// whole message, with the hash itself as zeros), the MD5 of cryptoEPPwdHash, and Cisco access
// tokens (`cat`). Tokens that we make are of H.235.1. What the procedures need of a password is in
// the users store: for H.235.1 its SHA-1, for the other two the password itself. Brain's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "adapter/h323/config.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "brain/users.h"
#include "codec/per/message.h"

namespace sallyport::adapter::h323 {

// How messages between us and one endpoint are signed (H.235.1).
struct Sealing {
  Buffer key;              // SHA-1 of the password
  Buffer peer;             // its sendersID, which is our generalID, octet for octet
  bool version_1 = false;  // the object identifiers of H.235 version 1
  std::string self;        // our sendersID; empty: our gatekeeper's identifier
  friend bool operator==(const Sealing&, const Sealing&) = default;
};

enum class Method : std::uint8_t { H2351, Md5, Cat };
constexpr std::string_view name(Method method) {
  switch (method) {
    case Method::H2351:
      return "h235.1";
    case Method::Md5:
      return "md5";
    case Method::Cat:
      break;
  }
  return "cat";
}

struct Proof {
  enum class State : std::uint8_t {
    Absent,      // no token that we know how to read
    Good,        // the user's
    Wrong,       // the password, or the message was changed on its way
    NoUser,      // there is no such user, or no password is kept for this method
    Stale,       // its time is not ours, or it was seen before
    NotAllowed,  // by a method that the configuration does not allow
  };
  State state = State::Absent;
  std::string user;
  Method method = Method::H2351;
  std::optional<Sealing> sealing;  // of H.235.1
};
constexpr std::string_view name(Proof::State state) {
  switch (state) {
    case Proof::State::Good:
      return "good";
    case Proof::State::Wrong:
      return "wrong_password";
    case Proof::State::NoUser:
      return "no_such_user";
    case Proof::State::Stale:
      return "stale_token";
    case Proof::State::NotAllowed:
      return "method_not_allowed";
    case Proof::State::Absent:
      break;
  }
  return "no_token";
}

class H235 {
 public:
  // All must outlive it.
  H235(const Config& config, const brain::Users& users, Random& random)
      : config_(config), users_(users), random_(random) {}

  // `message` was decoded from `octets`; its tokens are those of `holder`, a node in it (a RAS
  // message's alternative, Setup-UUIE). A sendersID may name the user by another name: `known_as`
  // are those under which the sender is known.
  Proof check(const codec::per::Message& message, codec::per::Node holder, Bytes octets,
              const std::vector<std::string>& known_as, WallTime now);

  // Puts a token of H.235.1 among the cryptoTokens of `holder` and appends the message to `out`.
  Result<void> seal(codec::per::Message& message, codec::per::Node holder, const Sealing& sealing,
                    WallTime now, Buffer& out);

  // The key of H.235.1 that a password makes.
  static Buffer key_of(std::string_view password);

 private:
  struct Context;
  Proof check_hashed(const Context& context, codec::per::Node token);
  Proof check_md5(const Context& context, codec::per::Node token);
  Proof check_cat(const Context& context, codec::per::Node token);
  bool is_timely(std::int64_t stamp, WallTime now) const;
  bool is_new(const std::string& user, std::int64_t stamp, std::int64_t random, WallTime now);
  std::optional<brain::User> find_user(const std::string& named,
                                       const std::vector<std::string>& known_as) const;

  const Config& config_;
  const brain::Users& users_;
  Random& random_;
  // What was shown of late with H.235.1; within the tolerance nothing is taken twice.
  using Shown = std::tuple<std::string, std::int64_t, std::int64_t>;
  std::set<Shown> shown_;
  std::deque<std::pair<WallTime, Shown>> shown_ages_;
};

}  // namespace sallyport::adapter::h323
