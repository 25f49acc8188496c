#include "media/key_ring.h"

namespace sallyport::media {

KeyRing::Epoch::Epoch(const KeysOfConnection& from, std::uint8_t core, TimePoint now)
    : keys(from),
      send_at(now +
              (from.sends == Direction::AgentToServer ? kAgentSendsAfter : kServerSendsAfter)),
      sealer(derive(from.secret, from.sends, core, from.algorithm), from.algorithm) {
  openers[0] = std::make_unique<Opener>(
      derive(keys.secret, opposite(keys.sends), 0, keys.algorithm), keys.algorithm);
}

void KeyRing::install(const KeysOfConnection& keys, TimePoint now) {
  drop_old(now);
  const auto epoch = static_cast<std::uint8_t>(keys.connection % epochs_.size());
  // The same connection again: its counters must not begin anew.
  if (epochs_[epoch] && epochs_[epoch]->keys.secret == keys.secret) return;
  epochs_[epoch] = std::make_unique<Epoch>(keys, core_, now);
  has_old_ = newest_ != kNone;
  newest_ = epoch;
  if (sending_ == kNone) sending_ = epoch;
}

std::optional<MutableBytes> KeyRing::seal(Channel channel, MutableBytes payload, TimePoint now) {
  if (sending_ == kNone) return std::nullopt;
  if (sending_ != newest_) {
    const Epoch& newest = *epochs_[newest_];
    if (newest.heard || now >= newest.send_at) sending_ = newest_;
  }
  if (has_old_) drop_old(now);
  return epochs_[sending_]->sealer.seal(
      {.epoch = sending_, .core = core_, .channel = channel, .counter = 0}, payload);
}

KeyRing::Opened KeyRing::open(const SealedHeader& header, MutableBytes datagram, TimePoint now) {
  if (has_old_) drop_old(now);
  Epoch* const epoch = epochs_[header.epoch].get();
  if (epoch == nullptr || header.core >= kMaxCores) return {.outcome = Outcome::UnknownEpoch};
  std::unique_ptr<Opener>& opener = epoch->openers[header.core];
  if (!opener)
    // A far end that sends from several cores: once for each, and no more than kMaxCores.
    opener = std::make_unique<Opener>(
        derive(epoch->keys.secret, opposite(epoch->keys.sends), header.core, epoch->keys.algorithm),
        epoch->keys.algorithm);
  const Opener::Result opened = opener->open(header, datagram);
  switch (opened.outcome) {
    case Opener::Outcome::Replayed:
      return {.outcome = Outcome::Replayed};
    case Opener::Outcome::BadTag:
      return {.outcome = Outcome::BadTag};
    case Opener::Outcome::Opened:
      break;
  }
  if (!epoch->heard) epoch->heard = now;
  return {.outcome = Outcome::Opened, .payload = opened.payload};
}

void KeyRing::drop_old(TimePoint now) {
  if (newest_ == kNone) return;
  const Epoch& newest = *epochs_[newest_];
  if (!newest.heard || now < *newest.heard + kOldLive) return;
  for (std::size_t i = 0; i < epochs_.size(); ++i)
    if (i != newest_) epochs_[i].reset();
  sending_ = newest_;
  has_old_ = false;
}

}  // namespace sallyport::media
