#include "brain/memory_registrations.h"

#include <algorithm>

namespace sallyport::brain {

void MemoryRegistrations::find(const std::string& identity, WallTime now,
                               std::function<void(std::vector<Binding>)> on_found) {
  std::vector<const Entry*> live;
  if (const auto found = by_identity_.find(identity); found != by_identity_.end()) {
    for (const auto& [key, entry] : found->second)
      if (entry.binding.expires > now) live.push_back(&entry);
  }
  std::sort(live.begin(), live.end(), [](const Entry* a, const Entry* b) {
    return std::pair{a->binding.preference, a->sequence} >
           std::pair{b->binding.preference, b->sequence};
  });
  std::vector<Binding> out;
  out.reserve(live.size());
  for (const Entry* entry : live) out.push_back(entry->binding);
  on_found(std::move(out));
}

void MemoryRegistrations::find_handle(const std::string& handle, WallTime now,
                                      std::function<void(std::optional<Binding>)> on_found) {
  const auto found = by_handle_.find(handle);
  if (found == by_handle_.end()) return on_found(std::nullopt);
  const auto& [identity, key] = found->second;
  const Binding& binding = by_identity_.at(identity).at(key).binding;
  if (binding.expires <= now) return on_found(std::nullopt);
  on_found(binding);
}

void MemoryRegistrations::update(const RegistrationUpdate& update, WallTime now,
                                 std::function<void(Result<void>)> on_done) {
  on_done(update_now(update, now));
}

Result<void> MemoryRegistrations::update_now(const RegistrationUpdate& update, WallTime now) {
  // What has run out takes no place away from what is new.
  take_expired(now);
  static const Entries none;
  const auto found = by_identity_.find(update.identity);
  const auto admitted = admits(update, found != by_identity_.end() ? found->second : none);
  if (!admitted) return admitted;
  for (const std::string& key : update.remove) remove(update.identity, key);
  for (const Binding& binding : update.put) put(binding);
  return {};
}

Result<void> MemoryRegistrations::admits(const RegistrationUpdate& update,
                                         const Entries& present) const {
  std::set<std::string> keys;
  for (const auto& [key, entry] : present) keys.insert(key);
  for (const std::string& key : update.remove) keys.erase(key);
  for (const Binding& binding : update.put) {
    if (binding.identity != update.identity) return fail(Errc::BadValue, "another identity");
    const std::size_t text = binding.identity.size() + binding.key.size() + binding.contact.size() +
                             binding.path.size() + binding.order.size() + binding.details.size() +
                             binding.instance.size() + binding.route.size() + binding.handle.size();
    if (text > limits_.text) return fail(Errc::Exhausted, "a binding is too long");
    keys.insert(binding.key);
    const auto identities = identities_.find(binding.place);
    if (identities != identities_.end() && identities->second >= limits_.identities_a_place &&
        !has_place(present, binding.place))
      return fail(Errc::Exhausted, "too many identities at this place");
  }
  if (keys.size() > limits_.bindings_an_identity && keys.size() > present.size())
    return fail(Errc::Exhausted, "too many bindings of this identity");
  if (size() - present.size() + keys.size() > limits_.bindings && keys.size() > present.size())
    return fail(Errc::Exhausted, "too many bindings");
  return {};
}

bool MemoryRegistrations::has_place(const Entries& entries, adapter::Place place) const {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const auto& item) { return item.second.binding.place == place; });
}

void MemoryRegistrations::put(const Binding& binding) {
  remove(binding.identity, binding.key);
  Entries& entries = by_identity_[binding.identity];
  if (!has_place(entries, binding.place)) ++identities_[binding.place];
  entries.emplace(binding.key, Entry{binding, next_sequence_++});
  by_expiry_.emplace(binding.expires, binding.identity, binding.key);
  if (!binding.handle.empty())
    by_handle_.insert_or_assign(binding.handle, std::pair{binding.identity, binding.key});
}

void MemoryRegistrations::remove(const std::string& identity, const std::string& key) {
  const auto entries = by_identity_.find(identity);
  if (entries == by_identity_.end()) return;
  const auto entry = entries->second.find(key);
  if (entry == entries->second.end()) return;
  const Binding gone = std::move(entry->second.binding);
  entries->second.erase(entry);
  by_expiry_.erase({gone.expires, gone.identity, gone.key});
  const auto handle = by_handle_.find(gone.handle);
  if (handle != by_handle_.end() && handle->second == std::pair{gone.identity, gone.key})
    by_handle_.erase(handle);
  if (!has_place(entries->second, gone.place)) {
    const auto identities = identities_.find(gone.place);
    if (--identities->second == 0) identities_.erase(identities);
  }
  if (entries->second.empty()) by_identity_.erase(entries);
}

std::vector<std::pair<std::string, std::string>> MemoryRegistrations::take_expired(WallTime now) {
  std::vector<std::pair<std::string, std::string>> gone;
  while (!by_expiry_.empty() && std::get<0>(*by_expiry_.begin()) <= now) {
    gone.emplace_back(std::get<1>(*by_expiry_.begin()), std::get<2>(*by_expiry_.begin()));
    remove(gone.back().first, gone.back().second);
  }
  return gone;
}

std::vector<Binding> MemoryRegistrations::all(WallTime now) const {
  std::vector<Binding> out;
  for (const auto& [identity, entries] : by_identity_)
    for (const auto& [key, entry] : entries)
      if (entry.binding.expires > now) out.push_back(entry.binding);
  std::sort(out.begin(), out.end(), [](const Binding& a, const Binding& b) {
    return std::tie(a.identity, a.key) < std::tie(b.identity, b.key);
  });
  return out;
}

}  // namespace sallyport::brain
