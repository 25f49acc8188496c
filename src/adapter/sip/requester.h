// Sends a request to a target, wherever that turns out to be: finds its hops (RFC 3263) and tries
// them in order until one answers with anything but 503 (RFC 3263 4.3). An INVITE does not wait for
// one that stays silent while there are others. One that was found unavailable is tried last for a
// while, or each call would wait for it anew. Used by calls, by the forwarding of everything else,
// and by the registration relay.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "adapter/sip/hop.h"
#include "adapter/sip/locator.h"
#include "adapter/sip/transactions.h"

namespace sallyport::adapter::sip {

using RequestId = Id<struct RequestTag>;

class Requester {
 public:
  // Makes the request for a hop: whole, with Route, without a Via of ours. hop.local is our address
  // there: what goes into Contact (as Transport::shown_address tells it).
  using Build = std::function<std::string(const Hop& hop, Commands& out)>;

  Requester(Locator& locator, Transactions& transactions, const Transport& transport,
            Timers& timers, Counters& counters)
      : locator_(locator),
        transactions_(transactions),
        transport_(transport),
        timers_(timers),
        counters_(counters) {}

  // Locates and sends.
  RequestId request(const Target& target, Build build, Transactions::ResponseHandler handler,
                    Commands& out, std::string branch_suffix = {});
  // Sends to the first of these hops that takes it.
  RequestId request(std::vector<Hop> hops, Build build, Transactions::ResponseHandler handler,
                    Commands& out, std::string branch_suffix = {});
  void cancel(RequestId id, Commands& out, std::string_view reason = {});
  void forget(RequestId id);
  // Where its latest response came from, else where it went last; null before it was sent and after
  // its end.
  const Hop* destination(RequestId id) const;
  // What was sent there, with our Via.
  std::string_view sent(RequestId id) const;
  std::size_t size() const { return requests_.size(); }

 private:
  struct Request {
    std::vector<Hop> hops;
    std::size_t next = 0;           // the hop to try
    std::vector<ClientId> clients;  // of the hops that were tried
    std::size_t current = 0;        // of these: whose answer counts; of the others only a 2xx
    Build build;
    Transactions::ResponseHandler handler;
    std::string branch_suffix;
    ClientId client;  // destination()
    TimerId silence_timer;
    bool cancelled = false;
    bool answered = false;        // finally; what may follow is another 2xx of an INVITE
    bool abandoned_any = false;   // a hop that was silent may answer yet
    bool tried_reliable = false;  // for its size, before UDP
  };
  using HopKey = std::tuple<Place, edge::Transport, TransportAddress>;
  static HopKey key_of(const Hop& hop) { return {hop.place, hop.transport, hop.remote}; }
  void avoid(const Hop& hop, Duration time, Commands& out);
  RequestId begin(Build build, Transactions::ResponseHandler handler, std::string branch_suffix);
  void go(RequestId id, std::vector<Hop> hops, Commands& out);
  std::optional<Hop> reliable_instead(const Request& request, std::size_t size) const;
  void try_next(RequestId id, Errc why, Commands& out);
  void on_silence(RequestId id, Commands& out);
  void fail_request(RequestId id, Errc why, Commands& out);
  void on_response(RequestId id, std::size_t attempt, const wire::Message& response, Commands& out);
  void on_failed(RequestId id, std::size_t attempt, Errc why, Commands& out);
  void end(RequestId id, bool more_may_come, Commands& out);

  Locator& locator_;
  Transactions& transactions_;
  const Transport& transport_;
  Timers& timers_;
  Counters& counters_;
  std::unordered_map<RequestId, Request> requests_;
  std::map<HopKey, TimePoint> avoided_;  // until when
  std::uint64_t next_id_ = 0;
};

}  // namespace sallyport::adapter::sip
