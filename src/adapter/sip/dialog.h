// Dialogs as this adapter relays them: two parties, each of which sees a dialog with us. Tags and
// CSeq numbers pass through; Call-ID, Contact, route set and the names of the parties are a side's
// own where the other side may not see them. Brain's thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adapter/call_id.h"
#include "adapter/sip/hop.h"
#include "adapter/timers.h"

namespace sallyport::adapter::sip {

using DialogId = Id<struct DialogTag>;

// One of the two, and how it is reached. The other party sees `token` as the user of our Contact;
// whoever is sent there, by transfer too, reaches this party.
struct Party {
  std::string token;
  Hop hop;                          // where its messages come from, or ours reached it
  std::string target;               // its Contact's URI
  std::vector<std::string> routes;  // its side's route set, from our end
  bool behind_nat = false;          // its Contact is not where it can be reached
  std::string credentials;          // whose answer its challenges; see Target
};
using PartyPtr = std::shared_ptr<Party>;

// How one side's messages name the dialog. Values of From and To without their tags.
struct Names {
  std::string call_id;
  std::string self;   // what this side calls itself
  std::string other;  // what it calls the far party
};

// What is known of whether a call's parties are still there (relay_audit.cc).
struct Audit {
  TimerId timer;
  bool heard = false;  // some party has signalled since the timer was started
  // By side: what media had come from there at the last look, and questions without an answer.
  std::array<std::uint64_t, 2> packets{};
  std::array<int, 2> unanswered{};
};

struct Dialog {
  DialogId id;
  CallId call;     // none: made by SUBSCRIBE or REFER alone
  int branch = 0;  // of the call, for its media
  std::array<PartyPtr, 2> parties;
  std::array<Names, 2> names;
  std::array<std::string, 2> tags;
  std::string alias;  // a Call-ID for third parties that may see neither of the two
  std::array<std::uint32_t, 2> cseq_to{};  // highest CSeq number that was sent to that side
  // What is added to CSeq numbers toward that side: one for each challenge answered here, and for
  // each request of our own.
  std::array<std::uint32_t, 2> cseq_shift{};
  bool confirmed = false;
  bool call_over = false;  // the BYE has come; subscriptions may live on
  bool ended = false;      // kept a while for what is still under way
  bool refused = false;    // its 2xx came second: acknowledged, and told goodbye
  // Uses beside the call itself (RFC 5057): subscriptions by Event value.
  std::map<std::string, TimerId> subscriptions;
  TimerId session_timer;  // RFC 4028
  Audit audit;
  TimerId end_timer;
};
using DialogPtr = std::shared_ptr<Dialog>;

// Dialogs by what messages say, parties by their token. Holds parties weakly: a token lives as long
// as somebody's dialog or call does.
class DialogTable {
 public:
  void add(const DialogPtr& dialog);
  void remove(const DialogPtr& dialog);
  void set_alias(const DialogPtr& dialog, std::string call_id);
  // The dialog in which this side's message with these tags travels.
  struct Found {
    DialogPtr dialog;
    Side from = kCaller;
  };
  Found find(Place place, std::string_view call_id, std::string_view from_tag,
             std::string_view to_tag) const;
  DialogPtr find(DialogId id) const;
  // A dialog as Replaces and Join name it: from whichever side, with its tags in either order.
  DialogPtr find_named(std::string_view call_id, std::string_view one_tag,
                       std::string_view other_tag) const;
  std::vector<DialogPtr> of_place(Place place) const;
  const std::unordered_map<DialogId, DialogPtr>& all() const { return dialogs_; }

  void add_party(const PartyPtr& party);
  PartyPtr find_party(std::string_view token);
  std::size_t size() const { return dialogs_.size(); }
  std::size_t live_parties();  // and forgets the others

 private:
  std::unordered_map<DialogId, DialogPtr> dialogs_;
  std::unordered_map<std::string, Found> by_key_;
  std::unordered_multimap<std::string, DialogPtr> by_call_id_;
  std::unordered_map<std::string, std::weak_ptr<Party>> parties_;
  std::size_t sweep_at_ = 64;
  std::uint64_t next_id_ = 0;
};

}  // namespace sallyport::adapter::sip
