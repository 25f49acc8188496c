#include "brain/secrets.h"

namespace sallyport::brain {

Result<Buffer> secret(SqliteStore& store, std::string_view name, std::size_t octets,
                      Random& random) {
  const auto tables = store.migrate(
      "secrets", {"CREATE TABLE secrets(name TEXT PRIMARY KEY, value BLOB NOT NULL)"});
  if (!tables) return tl::make_unexpected(tables.error());
  const std::string key{name};
  const auto rows = store.query({"SELECT value FROM secrets WHERE name=?", {key}});
  if (!rows) return tl::make_unexpected(rows.error());
  if (!rows->empty()) {
    const Buffer& value = blob(rows->front()[0]);
    if (value.size() != octets) return fail(Errc::BadValue, "a stored secret has another size");
    return value;
  }
  Buffer value(octets);
  random.fill(value);
  const auto written = store.write({"INSERT INTO secrets(name,value) VALUES(?,?)", {key, value}});
  if (!written) return tl::make_unexpected(written.error());
  return value;
}

}  // namespace sallyport::brain
