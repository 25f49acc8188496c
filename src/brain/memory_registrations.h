// The registration store in memory: by identity, by handle and by expiry. It answers before it
// returns. On its own in simulations and tests; in a server it is what SqliteRegistrations keeps a
// mirror of on disk. Brain's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "brain/registrations.h"

namespace sallyport::brain {

// What terminals can fill. Text is contact, path, key and the like of one binding, in octets.
struct RegistrationLimits {
  std::size_t bindings_an_identity = 16;
  std::size_t identities_a_place = 10'000;  // of one agent; and of the outside
  std::size_t bindings = 200'000;
  std::size_t text = 4096;
};

class MemoryRegistrations final : public Registrations {
 public:
  explicit MemoryRegistrations(RegistrationLimits limits = {}) : limits_(limits) {}

  void find(const std::string& identity, WallTime now,
            std::function<void(std::vector<Binding>)> on_found) override;
  void find_handle(const std::string& handle, WallTime now,
                   std::function<void(std::optional<Binding>)> on_found) override;
  void update(const RegistrationUpdate& update, WallTime now,
              std::function<void(Result<void>)> on_done) override;
  void expire(WallTime now) override { take_expired(now); }
  std::vector<Binding> all(WallTime now) const override;

  Result<void> update_now(const RegistrationUpdate& update, WallTime now);
  // Does as expire() does, and tells (identity, key) of what went.
  std::vector<std::pair<std::string, std::string>> take_expired(WallTime now);
  std::size_t size() const { return by_expiry_.size(); }

 private:
  struct Entry {
    Binding binding;
    std::uint64_t sequence;  // the newest has the highest
  };
  using Entries = std::map<std::string, Entry>;  // by key

  Result<void> admits(const RegistrationUpdate& update, const Entries& present) const;
  void put(const Binding& binding);
  void remove(const std::string& identity, const std::string& key);
  bool has_place(const Entries& entries, adapter::Place place) const;

  RegistrationLimits limits_;
  std::unordered_map<std::string, Entries> by_identity_;
  std::unordered_map<std::string, std::pair<std::string, std::string>> by_handle_;
  std::set<std::tuple<WallTime, std::string, std::string>> by_expiry_;  // time, identity, key
  std::map<adapter::Place, std::size_t> identities_;
  std::uint64_t next_sequence_ = 1;
};

}  // namespace sallyport::brain
