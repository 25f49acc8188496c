#include "brain/sqlite_journal.h"

#include <algorithm>
#include <utility>

namespace sallyport::brain {
namespace {

using adapter::sip::CallId;
using adapter::sip::Hop;
using adapter::sip::Side;

const std::vector<std::string> kTables = {
    "CREATE TABLE journal("
    "life INTEGER NOT NULL, call INTEGER NOT NULL, side INTEGER NOT NULL, agent INTEGER NOT NULL,"
    "transport INTEGER NOT NULL, remote TEXT NOT NULL, local TEXT NOT NULL,"
    "server_name TEXT NOT NULL, bye TEXT NOT NULL, found INTEGER,"
    "PRIMARY KEY(life, call, side)) WITHOUT ROWID"};

constexpr std::chrono::hours kForgetAfter{24};

std::int64_t seconds_of(WallTime time) {
  return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}

std::string row_name(std::int64_t life, std::int64_t call, std::int64_t side) {
  return "journal " + std::to_string(life) + ' ' + std::to_string(call) + ' ' +
         std::to_string(side);
}

}  // namespace

Result<std::unique_ptr<SqliteJournal>> SqliteJournal::open(SqliteStore& store, WallTime now,
                                                           Log& log) {
  std::unique_ptr<SqliteJournal> out{new SqliteJournal(store)};
  const auto loaded =
      store.migrate("journal", kTables).and_then([&] { return out->load(now, log); });
  if (!loaded) return tl::make_unexpected(loaded.error());
  return out;
}

Result<void> SqliteJournal::load(WallTime now, Log& log) {
  // The journal has no clock while calls run: a leg ages from when it was first found left over.
  const auto aged =
      store_.write_all({{"UPDATE journal SET found=? WHERE found IS NULL", {seconds_of(now)}},
                        {"DELETE FROM journal WHERE found<?", {seconds_of(now - kForgetAfter)}}});
  if (!aged) return tl::make_unexpected(aged.error());
  const auto rows = store_.query(
      {"SELECT life,call,side,agent,transport,remote,local,server_name,bye FROM journal", {}});
  if (!rows) return tl::make_unexpected(rows.error());
  for (const SqlRow& row : *rows) {
    life_ = std::max(life_, integer(row[0]) + 1);
    const auto remote = TransportAddress::parse(text(row[5]));
    const auto local = TransportAddress::parse(text(row[6]));
    const std::int64_t transport = integer(row[4]);
    const bool sound = remote && local && transport >= 0 &&
                       transport <= static_cast<std::int64_t>(edge::Transport::Tls);
    if (!sound) continue;  // damaged on disk; it goes with its age
    Row leg{integer(row[0]), integer(row[1]), integer(row[2]), {}};
    leg.leg.to.place.agent.value = static_cast<std::uint32_t>(integer(row[3]));
    leg.leg.to.transport = static_cast<edge::Transport>(transport);
    leg.leg.to.remote = *remote;
    leg.leg.to.local = *local;
    leg.leg.to.server_name = text(row[7]);
    leg.leg.bye = text(row[8]);
    left_over_.push_back(std::move(leg));
  }
  if (!left_over_.empty())
    log.warning("calls of an earlier life are to be ended", {{"legs", left_over_.size()}});
  return {};
}

std::vector<SqliteJournal::Leg> SqliteJournal::take_left_over(adapter::Place place) {
  std::vector<Leg> out;
  for (Row& row : left_over_) {
    if (row.leg.to.place != place) continue;
    erase(row.life, row.call, row.side);
    out.push_back(std::move(row.leg));
  }
  // What was moved from has kept its place, a plain value.
  std::erase_if(left_over_, [&](const Row& row) { return row.leg.to.place == place; });
  return out;
}

void SqliteJournal::on_leg(CallId call, Side side, const Hop& to, const std::string& bye) {
  const auto id = static_cast<std::int64_t>(call.value);
  const auto which = static_cast<std::int64_t>(side);
  store_.defer(row_name(life_, id, which),
               {"INSERT OR REPLACE INTO journal(life,call,side,agent,transport,remote,local,"
                "server_name,bye) VALUES(?,?,?,?,?,?,?,?,?)",
                {life_, id, which, static_cast<std::int64_t>(to.place.agent.value),
                 static_cast<std::int64_t>(to.transport), to.remote.to_string(),
                 to.local.to_string(), to.server_name, bye}});
}

void SqliteJournal::on_ended(CallId call) {
  const auto id = static_cast<std::int64_t>(call.value);
  for (const Side side : {adapter::sip::kCaller, adapter::sip::kCallee})
    erase(life_, id, static_cast<std::int64_t>(side));
}

void SqliteJournal::erase(std::int64_t life, std::int64_t call, std::int64_t side) {
  store_.defer(row_name(life, call, side),
               {"DELETE FROM journal WHERE life=? AND call=? AND side=?", {life, call, side}});
}

}  // namespace sallyport::brain
