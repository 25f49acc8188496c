// Users in memory, for tests.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "brain/users.h"

namespace sallyport::adapter {

class FakeUsers final : public brain::Users {
 public:
  void put(const brain::User& user) { users_.push_back(user); }

  std::optional<brain::User> find(std::string_view name, std::string_view realm) const override {
    return first([&](const brain::User& user) { return user.name == name && user.realm == realm; });
  }
  std::optional<brain::User> find_login(std::string_view login, std::string_view realm,
                                        bool hashed) const override {
    return first([&](const brain::User& user) {
      if (user.realm != realm) return false;
      if (!hashed) return user.login == login;
      return user.userhash_md5 == login || user.userhash_sha256 == login;
    });
  }
  Result<void> add(const brain::User& user) override {
    put(user);
    return {};
  }
  Result<void> remove(std::string_view name, std::string_view realm) override {
    std::erase_if(
        users_, [&](const brain::User& user) { return user.name == name && user.realm == realm; });
    return {};
  }
  std::vector<brain::User> list() const override { return users_; }

 private:
  template <typename Match>
  std::optional<brain::User> first(Match match) const {
    const auto found = std::find_if(users_.begin(), users_.end(), match);
    if (found == users_.end()) return std::nullopt;
    return *found;
  }
  std::vector<brain::User> users_;
};

}  // namespace sallyport::adapter
