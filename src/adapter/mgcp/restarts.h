// RSIP in bounded numbers: after an agent or this server comes back, all gateways say at once that
// they are there, and a call agent is to be given no more of it than it can take. What is over the
// rate waits, and goes on in random order, so that no site comes last always. Brain's thread.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "adapter/mgcp/stack.h"
#include "base/token_bucket.h"

namespace sallyport::adapter::mgcp {

class Restarts {
 public:
  explicit Restarts(Stack& stack) : stack_(stack) {}

  using Go = std::function<void(Commands&)>;
  enum class Verdict : std::uint8_t {
    Now,      // it goes on at once; `go` is not called
    Waits,    // `go` will be called
    Dropped,  // too many wait
  };
  Verdict admit(Place place, const IpAddress& call_agent, Go go, Commands& out);

 private:
  using Key = std::pair<Place, IpAddress>;
  struct Line {
    TokenBucket rate;
    std::vector<Go> waiting;
  };
  void arm(const Key& key, Commands& out);
  void next(const Key& key, Commands& out);

  Stack& stack_;
  std::map<Key, Line> lines_;  // of call agents: as many as are configured
};

}  // namespace sallyport::adapter::mgcp
