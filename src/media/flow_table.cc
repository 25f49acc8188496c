#include "media/flow_table.h"

#include <openssl/crypto.h>

namespace sallyport::media {
namespace {

// A challenge is not kept but computed anew from the source that must echo it, so however many
// sources send copies of a probe, none pushes out another's. It holds for this slot of time and the
// next: more than any round trip, less than anybody wants to wait for an address to come free.
constexpr std::chrono::seconds kChallengeSlot{32};
// Each is answered with no more octets than it has.
constexpr std::uint8_t kMostCopies = 4;

std::int64_t slot_of(TimePoint now) { return now.time_since_epoch() / kChallengeSlot; }

}  // namespace

FlowTable::FlowTable(Random& random, std::optional<FlowKey> challenge_key)
    : challenge_key_(challenge_key.value_or(random.array<sizeof(FlowKey)>())),
      seed_(random.u64()),
      clock_origin_(random.u64()) {}

Result<FlowTable::Place> FlowTable::add(const FlowComponent& secret, std::uint32_t end,
                                        std::uint8_t component) {
  if (find(secret.token) != PlaceIndex::kNone) return fail(Errc::BadValue, "token in use");
  if (free_.empty()) {
    free_.push_back(static_cast<Place>(components_.size()));
    components_.emplace_back();
    by_token_.reserve(components_.size());
    by_source_.reserve(components_.size());
    free_.reserve(components_.capacity());
  }
  const Place place = free_.back();
  free_.pop_back();
  AwaitingComponent& it = components_[place];
  it = {};
  it.secret = secret;
  it.end = end;
  it.component = component;
  it.used = true;
  by_token_.insert(token_hash(secret.token), place);
  return place;
}

Result<FlowTable::Place> FlowTable::restore(const AwaitingComponent& component, std::uint32_t end) {
  const auto place = add(component.secret, end, component.component);
  if (!place) return place;
  AwaitingComponent& it = components_[*place];
  it = component;
  it.end = end;
  it.socket = {};
  it.waiting = {};
  if (component.bound() && find(component.socket, component.source) == PlaceIndex::kNone)
    bind(*place, component.socket, component.source);
  return place;
}

void FlowTable::remove(Place place) {
  release(place);
  AwaitingComponent& it = components_[place];
  by_token_.erase(token_hash(it.secret.token), place);
  it = {};  // with it the key
  free_.push_back(place);
}

void FlowTable::release(Place place) {
  AwaitingComponent& it = components_[place];
  if (!it.bound()) return;
  if (on_source_) on_source_(it, false);
  by_source_.erase(source_hash(it.socket, it.source), place);
  it.socket = {};
  it.asked_probe = false;
}

FlowTable::OnProbe FlowTable::on_probe(SocketId socket, const TransportAddress& source,
                                       const Probe& probe, Bytes datagram, TimePoint now,
                                       bool held) {
  const Place place = find(probe.token);
  if (place == PlaceIndex::kNone) return {};
  AwaitingComponent& it = components_[place];
  // Cheap checks first: a flood of copies costs no HMAC.
  const bool copy = probe.counter == it.last_counter && it.last_counter != 0 &&
                    source != it.counted_source && it.copies < kMostCopies;
  if (probe.counter <= it.last_counter && !copy)
    return {.outcome = Outcome::Replayed, .place = place};
  if (!authentic(datagram, probe.tag, it.secret.key, tags_))
    return {.outcome = Outcome::BadTag, .place = place};

  it.copies = copy ? static_cast<std::uint8_t>(it.copies + 1) : std::uint8_t{0};
  it.last_counter = probe.counter;
  if (!copy) it.counted_source = source;

  const Place holder = find(socket, source);
  const bool at_home = holder == place;
  const bool needs_echo = !at_home && (it.was_bound || holder != PlaceIndex::kNone || held || copy);
  Confirmation answer{.status = ConfirmationStatus::Bound,
                      .token = probe.token,
                      .counter = probe.counter,
                      .clock = clock(now)};
  OnProbe out{.outcome = Outcome::Confirmed, .place = place};
  if (needs_echo && !echoes(probe, socket, source, now)) {
    answer.status = ConfirmationStatus::Challenged;
    answer.challenge = challenge(probe.token, socket, source, slot_of(now));
    out.outcome = Outcome::Challenged;
  } else if (!at_home) {
    out.outcome = it.was_bound ? Outcome::Moved : Outcome::Bound;
    out.taken_from = holder;
    if (holder != PlaceIndex::kNone) release(holder);
    bind(place, socket, source);
  }
  out.confirmation = encode(answer, it.secret.key, tags_);
  return out;
}

std::uint64_t FlowTable::clock(TimePoint now) const {
  const auto passed =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  const std::uint64_t out = clock_origin_ + static_cast<std::uint64_t>(passed);
  return out == 0 ? 1 : out;  // 0 is none
}

void FlowTable::bind(Place place, SocketId socket, const TransportAddress& source) {
  release(place);
  AwaitingComponent& it = components_[place];
  it.socket = socket;
  it.source = source;
  it.was_bound = true;
  by_source_.insert(source_hash(socket, source), place);
  if (on_source_) on_source_(it, true);
}

FlowTable::Place FlowTable::find(const Token& token) const {
  return by_token_.find(token_hash(token), [&](Place place) {
    const Token& other = components_[place].secret.token;
    return CRYPTO_memcmp(other.data(), token.data(), token.size()) == 0;
  });
}

std::uint32_t FlowTable::token_hash(const Token& token) const {
  return hash_octets(token.data(), 0, seed_);
}

std::uint32_t FlowTable::source_hash(SocketId socket, const TransportAddress& source) const {
  return hash_octets(source.ip.padded_octets().data(),
                     std::uint64_t{socket.value} << 17U | std::uint64_t{source.port} << 1U |
                         std::uint64_t{source.ip.is_v4()},
                     seed_);
}

bool FlowTable::echoes(const Probe& probe, SocketId socket, const TransportAddress& source,
                       TimePoint now) {
  for (const std::int64_t slot : {slot_of(now), slot_of(now) - 1}) {
    const Challenge expected = challenge(probe.token, socket, source, slot);
    if (CRYPTO_memcmp(expected.data(), probe.echo.data(), expected.size()) == 0) return true;
  }
  return false;
}

Challenge FlowTable::challenge(const Token& token, SocketId socket, const TransportAddress& source,
                               std::int64_t slot) {
  std::array<std::uint8_t, 48> message{};
  std::copy(token.begin(), token.end(), message.begin());
  const auto& address = source.ip.padded_octets();
  std::copy(address.begin(), address.end(), message.begin() + 16);
  message[32] = source.ip.is_v4() ? 4 : 6;
  message[33] = static_cast<std::uint8_t>(source.port >> 8U);
  message[34] = static_cast<std::uint8_t>(source.port);
  std::memcpy(message.data() + 36, &socket.value, sizeof socket.value);
  std::memcpy(message.data() + 40, &slot, sizeof slot);
  const TagMaker::Tag tag = tags_.make(challenge_key_, message);
  Challenge out{};
  std::copy_n(tag.begin(), out.size(), out.begin());
  return out;
}

}  // namespace sallyport::media
