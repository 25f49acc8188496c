// Who may register and call: names and digest hashes, and passwords themselves only where an H.323
// procedure is allowed that cannot do without (h323.passwords). The registrars ask,
// `sallyport user` changes. The same rows hold the credentials with which the server answers an
// upstream registrar's challenge: the realm tells the two apart. Brain's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "brain/sqlite_store.h"

namespace sallyport::brain {

// Unique by (name, realm). Hashes are lower-case hexadecimal; adapter/sip/digest.h and
// adapter/h323/h235.h make them.
struct User {
  std::string name;                 // the user part of the identity: "alice"
  std::string realm;                // our default domain, or an upstream's realm
  std::string login;                // what the digest names as username; mostly the same as `name`
  std::string ha1_md5, ha1_sha256;  // H(login:realm:password)
  std::string userhash_md5, userhash_sha256;  // H(login:realm), RFC 7616 3.4.4
  std::string password_sha1;                  // the key of H.235.1
  std::string password;  // for the MD5 and Cisco's tokens of H.323; mostly empty
  friend bool operator==(const User&, const User&) = default;
};

class Users {
 public:
  Users() = default;
  Users(const Users&) = delete;
  Users& operator=(const Users&) = delete;
  virtual ~Users() = default;

  virtual std::optional<User> find(std::string_view name, std::string_view realm) const = 0;
  // By what a digest says: the login, or with `hashed` H(login:realm) in hexadecimal.
  virtual std::optional<User> find_login(std::string_view login, std::string_view realm,
                                         bool hashed) const = 0;
  // Adds, or replaces the user of that name and realm.
  virtual Result<void> add(const User& user) = 0;
  // NotFound if there is no such user.
  virtual Result<void> remove(std::string_view name, std::string_view realm) = 0;
  virtual std::vector<User> list() const = 0;  // by realm, then name
};

// Users in the SQLite file. Read on demand (10 us), so that a change is seen at once, also one made
// by a command while the server runs.
class SqliteUsers final : public Users {
 public:
  // `store` must outlive it.
  static Result<std::unique_ptr<SqliteUsers>> open(SqliteStore& store);

  std::optional<User> find(std::string_view name, std::string_view realm) const override;
  std::optional<User> find_login(std::string_view login, std::string_view realm,
                                 bool hashed) const override;
  Result<void> add(const User& user) override;
  Result<void> remove(std::string_view name, std::string_view realm) override;
  std::vector<User> list() const override;

 private:
  explicit SqliteUsers(SqliteStore& store) : store_(store) {}
  std::vector<User> select(std::string where, std::vector<SqlValue> values) const;

  SqliteStore& store_;
};

}  // namespace sallyport::brain
