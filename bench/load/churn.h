// Calls that come and go, as many at a time as there are places: each is set up, talks for a while,
// is hung up, and another begins in its place. Used by agent_load, beside the generator's run.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.h"
#include "load/flows.h"
#include "load/site.h"
#include "load/telephone.h"

namespace sallyport::bench {

// Tells the generator between which streams a call's media goes. Throws where it has none.
void pair(const Call& call, const std::vector<std::unique_ptr<Site>>& sites, Generator& generator,
          std::size_t& caller_flow, std::size_t& callee_flow);

class Churn {
 public:
  struct Counts {
    std::uint64_t begun = 0;
    std::uint64_t answered = 0;
    std::uint64_t refused = 0;
    std::uint64_t ended = 0;
  };

  // Calls last `hold`, give or take a half of it. There is a place for each of `calls`.
  Churn(Generator& generator, Flows& flows, const std::vector<std::unique_ptr<Site>>& sites,
        std::vector<Call>& calls, Random& random, Duration hold, TimePoint now);

  void on_time(TimePoint now);  // about every millisecond
  // Those that talk are hung up, no other begins.
  void wind_up() { winding_up_ = true; }
  bool over() const { return counts_.begun == counts_.refused + counts_.ended; }
  const Counts& counts() const { return counts_; }

 private:
  enum class Phase : std::uint8_t { Free, Ringing, Binding, Talking, Silent, Ending };
  struct Place {
    Phase phase = Phase::Free;
    TimePoint until{};  // Free, Binding, Talking, Silent
    std::size_t caller_flow = 0, callee_flow = 0;
  };

  void begin(std::size_t number, TimePoint now);
  void step(std::size_t number, TimePoint now);
  void set_silent(const Place& place, bool silent);
  void free(Place& place, TimePoint now);
  Duration about(Duration time);  // from a half of it to one and a half

  Generator& generator_;
  Flows& flows_;
  const std::vector<std::unique_ptr<Site>>& sites_;
  std::vector<Call>& calls_;
  Random& random_;
  Duration hold_;
  std::vector<Place> places_;
  Counts counts_;
  bool winding_up_ = false;
};

}  // namespace sallyport::bench
