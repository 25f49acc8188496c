#include "adapter/sip/media_session.h"

#include <algorithm>
#include <utility>

#include "adapter/stream_traffic.h"

namespace sallyport::adapter::sip {

using codec::sdp::Description;

MediaSession::Slots& MediaSession::slots(Side side, int branch) {
  return side == kCaller ? caller_ : callee_[branch];
}

std::shared_ptr<MediaSession::Slot> MediaSession::find(Side side, int branch,
                                                       std::size_t index) const {
  const Slots* slots = &caller_;
  if (side == kCallee) {
    const auto it = callee_.find(branch);
    if (it == callee_.end()) return nullptr;
    slots = &it->second;
  }
  return index < slots->size() ? (*slots)[index] : nullptr;
}

// ---- opening ----

MediaSession::OfferPtr MediaSession::offer(int branch, Side from, std::string_view sdp,
                                           const MediaParty& offerer, const MediaParty& answerer,
                                           std::function<void(bool ok, Commands&)> on_ready,
                                           Commands& out) {
  auto offer = std::make_shared<Offer>();
  offer->text = sdp;
  const auto description = Description::parse(offer->text);
  if (!description) return nullptr;
  offer->branch = branch;
  offer->from = from;
  offer->offerer = offerer;
  offer->answerer = answerer;
  offer->on_ready = std::move(on_ready);
  const auto& media = description->media();
  for (std::size_t i = 0; i < media.size(); ++i) {
    if (!is_active(media[i])) continue;
    for (const Side side : {kCaller, kCallee}) use(offer, side, i, media[i], out);
    // A new port has nothing to lose: it may send there before the answer.
    const auto slot = find(from, branch, i);
    if (slot && !slot->remote && offer->uses[offer->uses.size() - 2 + from].opened) {
      slot->remote = remote_of(media[i], offerer, slot->components);
      out.media().set_remote(slot->id, *slot->remote);
      // So that early media has a way before any signalling says so.
      const auto far = find(other_side(from), branch, i);
      if (far) out.media().connect(slot->id, far->id);
    }
  }
  waiting_.push_back(offer);
  tell_ready(out);
  return offer;
}

void MediaSession::use(const OfferPtr& offer, Side side, std::size_t index,
                       const codec::sdp::Media& media, Commands& out) {
  Slots& of_side = slots(side, offer->branch);
  if (of_side.size() <= index) of_side.resize(index + 1);
  const std::shared_ptr<Slot> present = of_side[index];
  if (present && !present->failed && present->components >= components_of(media)) {
    offer->uses.push_back({side, index, present, false, nullptr});
    return;
  }
  const MediaParty& party = side == offer->from ? offer->offerer : offer->answerer;
  const auto opened = open(party, media, out);
  slots(side, offer->branch)[index] = opened;
  offer->uses.push_back({side, index, opened, true, present});
}

std::shared_ptr<MediaSession::Slot> MediaSession::open(const MediaParty& party,
                                                       const codec::sdp::Media& media,
                                                       Commands& out) {
  auto slot = std::make_shared<Slot>();
  slot->components = components_of(media);
  const std::weak_ptr<bool> alive = alive_;
  MediaPaths::Handler handler;
  handler.on_open = [this, alive, slot](const std::vector<TransportAddress>& own, Commands& at) {
    if (alive.expired()) return;
    slot->own = own;
    tell_ready(at);
  };
  handler.on_failed = [this, alive, slot](Errc, const std::string&, Commands& at) {
    if (alive.expired()) return;
    slot->failed = true;
    slot->id = {};
    tell_ready(at);
  };
  media::PortSpec spec;
  spec.components = slot->components;
  spec.toward = party.signalling;
  spec.dscp = mark_of(media, party.marks);
  const MediaId id = out.media().open_port(party.place, spec, std::move(handler));
  if (!slot->failed) slot->id = id;
  return slot;
}

void MediaSession::tell_ready(Commands& out) {
  const auto waiting = std::exchange(waiting_, {});
  for (const auto& weak : waiting) {
    const OfferPtr offer = weak.lock();
    if (!offer || !offer->on_ready) continue;
    const bool failed = std::any_of(offer->uses.begin(), offer->uses.end(),
                                    [](const Offer::Use& use) { return use.slot->failed; });
    const bool open = std::all_of(offer->uses.begin(), offer->uses.end(),
                                  [](const auto& use) { return !use.slot->own.empty(); });
    if (!failed && !open) {
      waiting_.push_back(weak);
      continue;
    }
    const std::weak_ptr<bool> alive = alive_;
    const auto on_ready = std::exchange(offer->on_ready, {});
    on_ready(!failed, out);
    if (alive.expired()) return;  // the call ended over it
  }
}

// ---- what each side sees ----

std::string MediaSession::rewrite_offer(const Offer& offer) const {
  const auto description = Description::parse(offer.text);
  if (!description) return {};
  const Side toward = other_side(offer.from);
  return with_ports(*description, offer.answerer.shown, [&](std::size_t i) {
    const auto slot = find(toward, offer.branch, i);
    return slot && is_active(description->media()[i]) ? &slot->own : nullptr;
  });
}

std::optional<std::string> MediaSession::answer(const OfferPtr& offer, std::string_view sdp,
                                                Commands& out) {
  const auto offered = Description::parse(offer->text);
  const auto answered = Description::parse(sdp);
  if (!offered || !answered) return std::nullopt;
  for (std::size_t i = 0; i < offered->media().size(); ++i) {
    const auto* media = i < answered->media().size() ? &answered->media()[i] : nullptr;
    const media::Rate most = media == nullptr ? media::Rate{} : most_of(*offered, *answered, i);
    settle(offer, i, offered->media()[i], media, most, out);
  }
  // What the offer replaced is needed no more.
  for (Offer::Use& use : offer->uses) {
    if (use.previous && use.previous->id) out.media().close(use.previous->id);
    use.previous.reset();
    use.opened = false;
  }
  const auto& media = offered->media();
  return with_ports(*answered, offer->offerer.shown, [&](std::size_t i) {
    const auto slot = find(offer->from, offer->branch, i);
    return slot && i < media.size() && is_active(media[i]) ? &slot->own : nullptr;
  });
}

void MediaSession::settle(const OfferPtr& offer, std::size_t index,
                          const codec::sdp::Media& offered, const codec::sdp::Media* answered,
                          const media::Rate& most, Commands& out) {
  const Side from = offer->from;
  const auto asking = find(from, offer->branch, index);
  const auto giving = find(other_side(from), offer->branch, index);
  if (!is_active(offered) || answered == nullptr || !is_active(*answered)) {
    // RFC 3264 6: refused, or (in the offer) removed. While branches still ring, another one may
    // take it: then it stays until one is chosen.
    if (!chosen_) {
      refused_[offer->branch].insert(index);
      return;
    }
    for (const Side side : {kCaller, kCallee}) release(side, offer->branch, index, out);
    return;
  }
  if (!asking || !giving || !asking->id || !giving->id) return;
  refused_[offer->branch].erase(index);
  const auto apply = [&](Slot& slot, const codec::sdp::Media& media, const MediaParty& party) {
    media::RemoteSpec remote = remote_of(media, party, slot.components);
    remote.rtp = media.is_rtp();  // UDPTL looks like nothing that could be told from noise
    remote.most = most;
    // Told again only when it says something else: a source that was learnt stays learnt.
    if (slot.remote && slot.remote->addresses == remote.addresses &&
        slot.remote->accept == remote.accept && slot.remote->rtp == remote.rtp &&
        slot.remote->most == remote.most)
      return;
    slot.remote = remote;
    out.media().set_remote(slot.id, remote);
  };
  apply(*asking, offered, offer->offerer);
  apply(*giving, *answered, offer->answerer);
  out.media().connect(asking->id, giving->id);
  out.media().start(asking->id);
}

// ---- ends ----

void MediaSession::release(Side side, int branch, std::size_t index, Commands& out) {
  Slots& of_side = slots(side, branch);
  if (index >= of_side.size()) return;
  const auto slot = std::exchange(of_side[index], nullptr);
  if (slot && slot->id) out.media().close(std::exchange(slot->id, {}));
}

void MediaSession::abandon(const OfferPtr& offer, Commands& out) {
  offer->on_ready = {};
  for (Offer::Use& use : offer->uses) {
    if (!use.opened) continue;
    Slots& of_side = slots(use.side, offer->branch);
    if (use.index < of_side.size() && of_side[use.index] == use.slot) {
      release(use.side, offer->branch, use.index, out);
      of_side[use.index] = use.previous;
    }
  }
  offer->uses.clear();
}

void MediaSession::choose(int branch, Commands& out) {
  if (chosen_) return;
  chosen_ = branch;
  std::vector<int> others;
  for (const auto& [other, unused] : callee_)
    if (other != branch) others.push_back(other);
  for (const int other : others) close_branch(other, out);
  for (const std::size_t index : refused_[branch])
    for (const Side side : {kCaller, kCallee}) release(side, branch, index, out);
  refused_.clear();
}

void MediaSession::close_branch(int branch, Commands& out) {
  const auto it = callee_.find(branch);
  if (it == callee_.end()) return;
  for (std::size_t i = 0; i < it->second.size(); ++i) release(kCallee, branch, i, out);
  callee_.erase(it);
}

void MediaSession::close(Commands& out) {
  for (std::size_t i = 0; i < caller_.size(); ++i) release(kCaller, 0, i, out);
  caller_.clear();
  while (!callee_.empty()) close_branch(callee_.begin()->first, out);
  waiting_.clear();
}

void MediaSession::count(Side side, std::function<void(std::uint64_t, Commands&)> on_count,
                         Commands& out) const {
  std::vector<MediaId> ports;
  const auto chosen = callee_.find(chosen_.value_or(0));
  const Slots none;
  for (const auto& slot : side == kCaller           ? caller_
                          : chosen == callee_.end() ? none
                                                    : chosen->second)
    if (slot && slot->id) ports.push_back(slot->id);
  count_packets(ports, std::move(on_count), out);
}

std::size_t MediaSession::open_ports() const {
  const auto count = [](const Slots& slots) {
    return static_cast<std::size_t>(std::count_if(
        slots.begin(), slots.end(), [](const auto& slot) { return slot && slot->id; }));
  };
  std::size_t open = count(caller_);
  for (const auto& [branch, slots] : callee_) open += count(slots);
  return open;
}

std::vector<MediaEnds> MediaSession::ends(Side side) const {
  std::vector<MediaEnds> ends;
  const std::size_t most = 32;  // codec::sdp::kMaxMedia
  for (std::size_t i = 0; i < most; ++i) {
    const auto slot = find(side, chosen_.value_or(0), i);
    if (!slot || slot->own.empty()) continue;
    const bool told = slot->remote && !slot->remote->addresses.empty();
    ends.push_back(
        {slot->id, slot->own, told ? slot->remote->addresses.front() : TransportAddress{}});
  }
  return ends;
}

}  // namespace sallyport::adapter::sip
