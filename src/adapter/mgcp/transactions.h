// Commands under way and answered (RFC 3435 3.5). Each side numbers its own commands, and several
// gateways share our address towards a call agent; so what we pass on has a number of ours, which
// an answer is found by. Whoever began a command alone repeats it: a repetition is passed on under
// the same number until there is an answer, and answered from here afterwards. Nothing is done
// twice. Bounded in octets, shared fairly; brain's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adapter/call_id.h"
#include "adapter/claimant.h"
#include "adapter/fair_share.h"
#include "adapter/mgcp/gateways.h"
#include "adapter/mgcp/peer.h"
#include "adapter/mgcp/stack.h"
#include "codec/mgcp/names.h"

namespace sallyport::adapter::mgcp {

using codec::mgcp::TransactionId;

// What a command is about, for whoever gets the answer.
struct About {
  codec::mgcp::Verb verb = codec::mgcp::Verb::Other;
  GatewayId gateway;
  std::string local;        // the endpoint's, may hold wildcards
  std::string call_id;      // C:
  std::string connection;   // I:
  std::string notified;     // N: as the call agent wrote it; empty: none
  std::string description;  // the remote one of CRCX and MDCX, as the call agent wrote it
  bool asks_local = false;  // AUCX: LC, RC
  bool asks_remote = false;
  CallId media;  // the connection whose media it changes
};

struct Transaction {
  TransactionId ours = 0;
  TransactionId theirs = 0;
  Peer from;
  std::optional<Peer> to;                   // none: it has not been passed on yet
  std::vector<TransportAddress> addresses;  // of its target, in the order to try
  unsigned sent = 0;
  std::string text;    // as it is passed on; while it waits, as far as it is made
  bool ready = false;  // it may be passed on
  std::string answer;  // the latest; empty: none
  bool answered = false;
  About about;

  TimePoint begun{};
  Claimant claimant;  // whose room it takes, and how much
  std::size_t octets = 0;
  TimerId timer;
};

class Transactions {
 public:
  explicit Transactions(Stack& stack);

  Transaction* find(const Peer& from, TransactionId theirs);
  Transaction* find_ours(TransactionId ours);
  // Null: there is no room for one of so many octets.
  Transaction* begin(const Peer& from, TransactionId theirs, std::size_t octets, Commands& out);
  // Something was heard of it: it is kept for another while.
  void touch(Transaction& transaction, Commands& out);
  // Those of this originator that lie in the ranges and went to that place and host, by our
  // numbers.
  std::vector<TransactionId> ours_of(const Peer& from, const std::vector<codec::mgcp::IdRange>& in,
                                     const Peer& to) const;
  void on_edge_lost(Place place, Commands& out);
  // Nobody has answered one, and nobody will.
  void on_unanswered(std::function<void(const About&, Commands&)> tell) {
    on_unanswered_ = std::move(tell);
  }
  std::size_t size() const { return by_ours_.size(); }

  // A number of ours for a command of our own, too.
  TransactionId new_id();

 private:
  using Key = std::tuple<Place, Face, TransportAddress, TransactionId>;
  static Key key(const Peer& from, TransactionId id) {
    return {from.hop.place, from.face, from.hop.remote, id};
  }
  void end(TransactionId ours, Commands& out);

  Stack& stack_;
  std::unordered_map<TransactionId, std::unique_ptr<Transaction>> by_ours_;
  std::map<Key, TransactionId> by_theirs_;
  FairShare<Claimant> room_;
  TransactionId last_;
  std::function<void(const About&, Commands&)> on_unanswered_;
};

}  // namespace sallyport::adapter::mgcp
