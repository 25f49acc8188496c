// The server's side of digest authentication: challenges terminals and judges what they answer
// (RFC 3261 22, RFC 7616, RFC 8760). A challenge costs no memory: the nonce itself says when it was
// made, and is signed. Only who has proved a password takes a place in the table of nonce counts,
// which keeps an answer from being used twice. Brain's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adapter/sip/digest.h"
#include "adapter/throttle.h"
#include "base/random.h"
#include "base/time.h"
#include "brain/users.h"
#include "codec/sip/message.h"

namespace sallyport::adapter::sip {

class Authenticator {
 public:
  // Signs nonces; kept over a restart, so that a terminal's nonce stays good.
  using Secret = std::array<std::uint8_t, 32>;

  struct Limits {
    seconds nonce_life{300};
    std::size_t nonces = 20'000;  // used ones whose counts are remembered
    Throttle::Limits throttle;
    // In challenges, the most preferred first (RFC 8760 2.3). Answers with either are taken.
    std::vector<DigestHash> offered{DigestHash::Sha256, DigestHash::Md5};
  };

  enum class Verdict : std::uint8_t {
    Accepted,
    Unanswered,  // no credentials that we could judge: challenge
    Stale,       // the right password, but the nonce is old or used: challenge with stale=true
    Wrong,       // wrong password: challenge again
    Unknown,     // no such user; to the terminal, as Wrong
    Blocked,     // wrong too often: 403, whatever is said
    Mismatch,    // made for another Request-URI (RFC 7616 3.4.6): 400
  };
  struct Judgement {
    Verdict verdict = Verdict::Unanswered;
    std::optional<brain::User> user;  // Accepted
  };

  Authenticator(const Limits& limits, const Secret& secret, const brain::Users& users,
                Random& random)
      : limits_(limits),
        secret_(secret),
        users_(users),
        random_(random),
        throttle_(limits.throttle) {}

  // The values of WWW-Authenticate (or Proxy-Authenticate), the better one first: RFC 8760 2.3.
  std::vector<std::string> challenges(std::string_view realm, bool stale, WallTime now);

  // `header` is Authorization or ProxyAuthorization. `suspect` is what guessing is counted by.
  Judgement judge(const codec::sip::Message& request, codec::sip::HeaderName header,
                  std::string_view realm, const Suspect& suspect, WallTime now,
                  TimePoint steady_now);

  std::size_t nonces() const { return used_.size(); }
  const Throttle& throttle() const { return throttle_; }
  Throttle& throttle() { return throttle_; }

 private:
  // Which counts of a nonce have been seen: the highest, and the 64 below it.
  struct Used {
    std::uint32_t highest = 0;
    std::uint64_t below = 0;  // bit i: highest - 1 - i
  };

  std::string sign(Bytes time_and_salt, std::string_view realm) const;
  std::string make_nonce(std::string_view realm, WallTime now);
  // When it was made; nothing if it is not ours.
  std::optional<WallTime> made_at(std::string_view nonce, std::string_view realm) const;
  bool is_fresh(const std::string& nonce, std::string_view realm, std::uint32_t count,
                WallTime now);
  void forget_old(WallTime now);

  Limits limits_;
  Secret secret_;
  const brain::Users& users_;
  Random& random_;
  Throttle throttle_;
  std::unordered_map<std::string, Used> used_;
  std::deque<std::pair<WallTime, std::string>> used_order_;  // by first use; made at, nonce
  // Of nonces made until then that are not in `used_`, nobody knows any more whether they were
  // used.
  WallTime forgotten_until_{};
};

}  // namespace sallyport::adapter::sip
