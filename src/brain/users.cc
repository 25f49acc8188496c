#include "brain/users.h"

#include <utility>

namespace sallyport::brain {
namespace {

const std::vector<std::string> kTables = {
    "CREATE TABLE users("
    "name TEXT NOT NULL, realm TEXT NOT NULL, login TEXT NOT NULL,"
    "ha1_md5 TEXT NOT NULL, ha1_sha256 TEXT NOT NULL,"
    "userhash_md5 TEXT NOT NULL, userhash_sha256 TEXT NOT NULL,"
    "PRIMARY KEY(name, realm)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX users_login ON users(login, realm);"
    "CREATE INDEX users_hash_md5 ON users(userhash_md5);"
    "CREATE INDEX users_hash_sha256 ON users(userhash_sha256)",
    "ALTER TABLE users ADD COLUMN password_sha1 TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE users ADD COLUMN password TEXT NOT NULL DEFAULT ''"};

constexpr std::string_view kColumns =
    "name,realm,login,ha1_md5,ha1_sha256,userhash_md5,userhash_sha256,password_sha1,password";

}  // namespace

Result<std::unique_ptr<SqliteUsers>> SqliteUsers::open(SqliteStore& store) {
  const auto made = store.migrate("users", kTables);
  if (!made) return tl::make_unexpected(made.error());
  return std::unique_ptr<SqliteUsers>{new SqliteUsers(store)};
}

std::vector<User> SqliteUsers::select(std::string where, std::vector<SqlValue> values) const {
  const auto rows = store_.query(
      {"SELECT " + std::string{kColumns} + " FROM users " + std::move(where), std::move(values)});
  std::vector<User> out;
  if (!rows) return out;  // logged there; nobody gets in meanwhile
  for (const SqlRow& row : *rows)
    out.push_back({text(row[0]), text(row[1]), text(row[2]), text(row[3]), text(row[4]),
                   text(row[5]), text(row[6]), text(row[7]), text(row[8])});
  return out;
}

std::optional<User> SqliteUsers::find(std::string_view name, std::string_view realm) const {
  const auto found = select("WHERE name=? AND realm=?", {std::string{name}, std::string{realm}});
  if (found.empty()) return std::nullopt;
  return found.front();
}

std::optional<User> SqliteUsers::find_login(std::string_view login, std::string_view realm,
                                            bool hashed) const {
  const std::string who{login};
  const std::string where{realm};
  const auto found =
      hashed ? select("WHERE (userhash_md5=? OR userhash_sha256=?) AND realm=?", {who, who, where})
             : select("WHERE login=? AND realm=?", {who, where});
  if (found.empty()) return std::nullopt;
  return found.front();
}

Result<void> SqliteUsers::add(const User& user) {
  return store_
      .write({"INSERT INTO users(" + std::string{kColumns} +
                  ") VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(name,realm) DO UPDATE SET "
                  "login=excluded.login,ha1_md5=excluded.ha1_md5,ha1_sha256=excluded.ha1_sha256,"
                  "userhash_md5=excluded.userhash_md5,userhash_sha256=excluded.userhash_sha256,"
                  "password_sha1=excluded.password_sha1,password=excluded.password",
              {user.name, user.realm, user.login, user.ha1_md5, user.ha1_sha256, user.userhash_md5,
               user.userhash_sha256, user.password_sha1, user.password}})
      .map([](std::size_t) {});
}

Result<void> SqliteUsers::remove(std::string_view name, std::string_view realm) {
  const auto gone = store_.write(
      {"DELETE FROM users WHERE name=? AND realm=?", {std::string{name}, std::string{realm}}});
  if (!gone) return tl::make_unexpected(gone.error());
  if (*gone == 0) return fail(Errc::NotFound, "no such user");
  return {};
}

std::vector<User> SqliteUsers::list() const { return select("ORDER BY realm,name", {}); }

}  // namespace sallyport::brain
