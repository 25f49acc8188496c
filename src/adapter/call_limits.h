// How many calls there may be at once: in all, and through one agent, so that none takes the places
// of the others. A call that is forked to several agents counts at each of them until it ends.
//
// A call that nobody has answered yet costs its caller nothing, so these are limited further: what
// a claimant has of them, in all and at an agent, may be as many as there is room left for
// (fair_share.h). A stranger outside may have so many from one source, and one more for each of its
// calls that were answered; and towards one callee those of all strangers share twice as many.
// An adapter's; brain's thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "adapter/call_id.h"
#include "adapter/claimant.h"
#include "adapter/fair_share.h"
#include "adapter/limits.h"

namespace sallyport::adapter {

class CallLimits {
 public:
  // `limits` must outlive it.
  explicit CallLimits(const Limits& limits);

  enum class Verdict : std::uint8_t {
    Admitted,
    Full,           // there are as many calls as there may be in all
    AgentFull,      // or through that agent
    OverShare,      // that claimant has its share of calls without an answer
    SourceTooMany,  // so has that source, a stranger's
    CalleeTooMany,  // or it has its part of those to this callee
  };
  friend constexpr std::string_view name(Verdict verdict) {  // as it is counted
    switch (verdict) {
      case Verdict::Full:
        return "too_many_calls";
      case Verdict::AgentFull:
        return "too_many_calls_of_agent";
      case Verdict::OverShare:
        return "unanswered_calls_over_share";
      case Verdict::SourceTooMany:
        return "unanswered_calls_of_source";
      case Verdict::CalleeTooMany:
        return "unanswered_calls_to_callee";
      case Verdict::Admitted:
        break;
    }
    return "admitted";
  }

  // A call comes along this hop. If it is not admitted, nothing is remembered of it.
  Verdict begin(CallId call, const Hop& from);
  // It goes on to that terminal or destination, `uri` at a place. If it is not admitted, nothing
  // has changed.
  Verdict ring(CallId call, Place place, const std::string& uri);
  void answer(CallId call);
  void leave(CallId call);

  // Everything that is remembered: nothing once all calls have ended.
  std::size_t size() const {
    return calls_.size() + agents_.size() + sources_.size() + callees_.size();
  }

 private:
  using Callee = std::pair<Place, std::string>;
  struct Entry {
    Hop from;
    bool stranger = false;
    bool answered = false;
    std::vector<Place> places;
    std::vector<Callee> callees;  // of a stranger's
  };
  struct Source {
    std::size_t unanswered = 0, answered = 0;
  };

  Claimant claimant(const Hop& from, Place place) const {
    return claimant_of(limits_.upstreams, from, place);
  }
  FairShare<Claimant>& agent(Place place) {
    return agents_.try_emplace(place, limits_.calls_per_agent).first->second;
  }
  Verdict enter(Entry& entry, Place place);
  void settle(Entry& entry);

  const Limits& limits_;
  std::size_t of_source_;  // a stranger's, without an answer
  std::unordered_map<CallId, Entry> calls_;
  FairShare<Claimant> in_all_;
  std::map<Place, FairShare<Claimant>> agents_;
  std::map<IpAddress, Source> sources_;  // of strangers
  std::map<Callee, FairShare<IpAddress>> callees_;
};

}  // namespace sallyport::adapter
