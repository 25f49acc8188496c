// What was answered to RAS requests of late, so that a request that is repeated (its answer was
// lost, or took too long) is answered the same and done once. A request is known by its sender, its
// requestSeqNum and its octets: a terminal that has restarted may count from the beginning.
// Gatekeeper's; brain's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <tuple>

#include "adapter/hop.h"
#include "base/bytes.h"
#include "base/time.h"

namespace sallyport::adapter::h323 {

class RasAnswers {
 public:
  // Longer than any timer of H.225.0 Table 6 with its repetitions.
  static constexpr Duration kLife = seconds{20};
  static constexpr std::size_t kMost = 50'000;

  struct Key {
    Place place;
    TransportAddress remote;
    std::uint16_t sequence = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  enum class Seen : std::uint8_t { New, Waiting, Answered };
  // A request has come. Waiting: it has come before, and its answer is still to be found out.
  Seen on_request(const Key& key, Bytes request, TimePoint now);
  // What Answered ones are told again.
  Bytes answer(const Key& key) const;
  void on_answered(const Key& key, Bytes answer);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::uint64_t digest = 0;
    std::uint64_t number = 0;  // tells it from an earlier one of that key
    std::optional<Buffer> answer;
  };
  struct Aged {
    Key key;
    std::uint64_t number = 0;
    TimePoint came{};
  };

  void forget(TimePoint now);

  std::map<Key, Entry> entries_;
  std::deque<Aged> ages_;  // the oldest first
  std::uint64_t last_number_ = 0;
};

}  // namespace sallyport::adapter::h323
