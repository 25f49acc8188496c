#include "brain/sqlite_registrations.h"

#include <utility>

namespace sallyport::brain {
namespace {

const std::vector<std::string> kTables = {
    "CREATE TABLE bindings("
    "identity TEXT NOT NULL, key TEXT NOT NULL, protocol TEXT NOT NULL, agent INTEGER NOT NULL,"
    "contact TEXT NOT NULL, path TEXT NOT NULL, transport INTEGER NOT NULL, address TEXT NOT NULL,"
    "expires INTEGER NOT NULL, call_order TEXT NOT NULL, number INTEGER NOT NULL,"
    "preference INTEGER NOT NULL, details TEXT NOT NULL, instance TEXT NOT NULL,"
    "route TEXT NOT NULL, handle TEXT NOT NULL, written INTEGER NOT NULL, PRIMARY KEY(identity, "
    "key)) WITHOUT ROWID;"
    "CREATE INDEX bindings_expiry ON bindings(expires)"};

constexpr const char* kPut =
    "INSERT OR REPLACE INTO bindings(identity,key,protocol,agent,contact,path,transport,address,"
    "expires,call_order,number,preference,details,instance,route,handle,written) "
    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
constexpr const char* kAll =
    "SELECT identity,key,protocol,agent,contact,path,transport,address,expires,call_order,number,"
    "preference,details,instance,route,handle FROM bindings WHERE expires>? ORDER BY written";

std::int64_t milliseconds_of(WallTime time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

SqlStatement put_statement(const Binding& binding, WallTime now) {
  return {kPut,
          {binding.identity, binding.key, binding.protocol,
           static_cast<std::int64_t>(binding.place.agent.value), binding.contact, binding.path,
           static_cast<std::int64_t>(binding.transport), binding.address.to_string(),
           milliseconds_of(binding.expires), binding.order,
           static_cast<std::int64_t>(binding.number), static_cast<std::int64_t>(binding.preference),
           binding.details, binding.instance, binding.route, binding.handle, milliseconds_of(now)}};
}

// The file is ours, but it can have been edited or damaged: what makes no sense is left out.
std::optional<Binding> read_binding(const SqlRow& row) {
  const auto address = TransportAddress::parse(text(row[7]));
  const std::int64_t transport = integer(row[6]);
  if (!address || transport < 0 || transport > static_cast<std::int64_t>(edge::Transport::Tls))
    return std::nullopt;
  Binding out;
  out.identity = text(row[0]);
  out.key = text(row[1]);
  out.protocol = text(row[2]);
  out.place.agent.value = static_cast<std::uint32_t>(integer(row[3]));
  out.contact = text(row[4]);
  out.path = text(row[5]);
  out.transport = static_cast<edge::Transport>(transport);
  out.address = *address;
  out.expires = WallTime{milliseconds{integer(row[8])}};
  out.order = text(row[9]);
  out.number = static_cast<std::uint32_t>(integer(row[10]));
  out.preference = static_cast<std::uint16_t>(integer(row[11]));
  out.details = text(row[12]);
  out.instance = text(row[13]);
  out.route = text(row[14]);
  out.handle = text(row[15]);
  return out;
}

// Identities and keys are text without NUL (SIP's grammar), so this names one row.
std::string row_name(const std::string& identity, const std::string& key) {
  std::string name = "bindings";
  name += '\0';
  name += identity;
  name += '\0';
  return name += key;
}

}  // namespace

Result<std::unique_ptr<SqliteRegistrations>> SqliteRegistrations::open(SqliteStore& store,
                                                                       RegistrationLimits limits,
                                                                       WallTime now, Log& log) {
  std::unique_ptr<SqliteRegistrations> out{new SqliteRegistrations(store, limits)};
  const auto loaded =
      store.migrate("bindings", kTables).and_then([&] { return out->load(now, log); });
  if (!loaded) return tl::make_unexpected(loaded.error());
  return out;
}

Result<void> SqliteRegistrations::load(WallTime now, Log& log) {
  const auto rows = store_.query({kAll, {milliseconds_of(now)}});
  if (!rows) return tl::make_unexpected(rows.error());
  std::size_t left_out = 0;
  for (const SqlRow& row : *rows) {
    std::optional<Binding> binding = read_binding(row);
    if (!binding || !memory_.update_now({binding->identity, {}, {*binding}}, now)) ++left_out;
  }
  log.info("registrations read from disk", {{"bindings", memory_.size()}, {"left_out", left_out}});
  return {};
}

void SqliteRegistrations::find(const std::string& identity, WallTime now,
                               std::function<void(std::vector<Binding>)> on_found) {
  memory_.find(identity, now, std::move(on_found));
}

void SqliteRegistrations::find_handle(const std::string& handle, WallTime now,
                                      std::function<void(std::optional<Binding>)> on_found) {
  memory_.find_handle(handle, now, std::move(on_found));
}

void SqliteRegistrations::update(const RegistrationUpdate& update, WallTime now,
                                 std::function<void(Result<void>)> on_done) {
  expire(now);
  const auto done = memory_.update_now(update, now);
  if (done) {
    for (const std::string& key : update.remove)
      store_.defer(row_name(update.identity, key),
                   {"DELETE FROM bindings WHERE identity=? AND key=?", {update.identity, key}});
    for (const Binding& binding : update.put)
      store_.defer(row_name(binding.identity, binding.key), put_statement(binding, now));
  }
  on_done(done);
}

void SqliteRegistrations::expire(WallTime now) {
  if (memory_.take_expired(now).empty()) return;
  // One statement whatever has gone; it cannot take what a later put renews, whatever the order.
  store_.defer("bindings expire",
               {"DELETE FROM bindings WHERE expires<=?", {milliseconds_of(now)}});
}

std::vector<Binding> SqliteRegistrations::all(WallTime now) const { return memory_.all(now); }

}  // namespace sallyport::brain
