// The media of one call: for each m= line a port on the caller's side and one on the callee's, for
// each branch of a fork its own callee side; offers and answers (RFC 3264) that pass through are
// rewritten to show our ports, and take effect only when they are answered, so that a failed
// re-INVITE leaves the media as it was. Brain's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/call_info.h"
#include "adapter/sdp_media.h"
#include "adapter/sip/config.h"
#include "adapter/sip/dialog.h"
#include "codec/sdp/sdp.h"

namespace sallyport::adapter::sip {

class MediaSession {
 public:
  struct Slot;
  // An offer under way. Kept by the transaction that carries it.
  struct Offer {
    int branch = 0;
    Side from = kCaller;
    std::string text;
    MediaParty offerer, answerer;
    std::function<void(bool ok, Commands&)> on_ready;  // empty once told
    struct Use {
      Side side = kCaller;
      std::size_t index = 0;
      std::shared_ptr<Slot> slot;
      bool opened = false;             // by this offer: closed again if it fails
      std::shared_ptr<Slot> previous;  // what it takes the place of, until it is answered
    };
    std::vector<Use> uses;
  };
  using OfferPtr = std::shared_ptr<Offer>;

  // Opens what the offer needs on both sides, then tells: false when there are no ports. Null when
  // the text is no SDP that we can read.
  OfferPtr offer(int branch, Side from, std::string_view sdp, const MediaParty& offerer,
                 const MediaParty& answerer, std::function<void(bool ok, Commands&)> on_ready,
                 Commands& out);
  // The offer as the answerer's side is to see it. Its ports are open.
  std::string rewrite_offer(const Offer& offer) const;
  // The answer has come: sets and connects the ports, lets media start; the answer as the offerer
  // is to see it. Nothing when it is no SDP. May be called again (18x and 200 hold the same).
  std::optional<std::string> answer(const OfferPtr& offer, std::string_view sdp, Commands& out);
  // It was refused, or nobody answers any more: what it opened is closed.
  void abandon(const OfferPtr& offer, Commands& out);
  // This branch is the call; the callee sides of all others are closed, and streams that were
  // refused with them.
  void choose(int branch, Commands& out);
  void close_branch(int branch, Commands& out);
  void close(Commands& out);

  // How many packets have come from that side, all streams of the chosen branch together.
  void count(Side side, std::function<void(std::uint64_t packets, Commands&)> on_count,
             Commands& out) const;
  std::size_t open_ports() const;
  std::vector<MediaEnds> ends(Side side) const;  // of the chosen branch

  struct Slot {
    MediaId id;
    unsigned components = 0;
    std::vector<TransportAddress> own;  // empty until open
    std::optional<media::RemoteSpec> remote;
    bool failed = false;
  };

 private:
  using Slots = std::vector<std::shared_ptr<Slot>>;

  Slots& slots(Side side, int branch);
  std::shared_ptr<Slot> find(Side side, int branch, std::size_t index) const;
  void use(const OfferPtr& offer, Side side, std::size_t index, const codec::sdp::Media& media,
           Commands& out);
  std::shared_ptr<Slot> open(const MediaParty& party, const codec::sdp::Media& media,
                             Commands& out);
  void tell_ready(Commands& out);
  void settle(const OfferPtr& offer, std::size_t index, const codec::sdp::Media& offered,
              const codec::sdp::Media* answered, const media::Rate& most, Commands& out);
  void release(Side side, int branch, std::size_t index, Commands& out);

  Slots caller_;
  std::map<int, Slots> callee_;
  std::map<int, std::set<std::size_t>> refused_;  // m= lines that a branch's answer refused
  std::vector<std::weak_ptr<Offer>> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::optional<int> chosen_;
};

}  // namespace sallyport::adapter::sip
