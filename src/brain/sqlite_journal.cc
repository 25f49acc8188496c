#include "brain/sqlite_journal.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sallyport::brain {
namespace {

using adapter::CallId;
using adapter::Hop;
using adapter::sip::LastWord;

const std::vector<std::string> kTables = {
    "CREATE TABLE journal("
    "life INTEGER NOT NULL, call INTEGER NOT NULL, side INTEGER NOT NULL, agent INTEGER NOT NULL,"
    "transport INTEGER NOT NULL, remote TEXT NOT NULL, local TEXT NOT NULL,"
    "server_name TEXT NOT NULL, bye TEXT NOT NULL, found INTEGER,"
    "PRIMARY KEY(life, call, side)) WITHOUT ROWID",
    "ALTER TABLE journal RENAME COLUMN side TO leg;"
    "ALTER TABLE journal RENAME COLUMN bye TO message;"
    "ALTER TABLE journal ADD COLUMN kind INTEGER NOT NULL DEFAULT 0"};

constexpr std::chrono::hours kForgetAfter{24};

std::int64_t seconds_of(WallTime time) {
  return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}

std::string row_name(std::int64_t life, std::int64_t call, std::int64_t leg) {
  return "journal " + std::to_string(life) + ' ' + std::to_string(call) + ' ' + std::to_string(leg);
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
      {"SELECT life,call,leg,agent,transport,remote,local,server_name,message,kind FROM journal",
       {}});
  if (!rows) return tl::make_unexpected(rows.error());
  for (const SqlRow& row : *rows) {
    life_ = std::max(life_, integer(row[0]) + 1);
    const auto remote = TransportAddress::parse(text(row[5]));
    const auto local = TransportAddress::parse(text(row[6]));
    const std::int64_t transport = integer(row[4]);
    const std::int64_t kind = integer(row[9]);
    const bool sound = remote && local && transport >= 0 &&
                       transport <= static_cast<std::int64_t>(edge::Transport::Tls) && kind >= 0 &&
                       kind <= static_cast<std::int64_t>(LastWord::Kind::Cancel);
    if (!sound) continue;  // damaged on disk; it goes with its age
    Hop to;
    to.place.agent.value = static_cast<std::uint32_t>(integer(row[3]));
    to.transport = static_cast<edge::Transport>(transport);
    to.remote = *remote;
    to.local = *local;
    to.server_name = text(row[7]);
    left_over_.push_back({integer(row[0]),
                          integer(row[1]),
                          integer(row[2]),
                          {static_cast<LastWord::Kind>(kind), std::move(to), text(row[8])}});
  }
  if (!left_over_.empty())
    log.warning("calls of an earlier life are to be ended", {{"legs", left_over_.size()}});
  return {};
}

std::vector<LastWord> SqliteJournal::take_left_over(adapter::Place place) {
  std::vector<LastWord> out;
  for (Leg& leg : left_over_) {
    if (leg.word.to.place != place) continue;
    erase(leg);
    out.push_back(std::move(leg.word));
  }
  // What was moved from has kept its place, a plain value.
  std::erase_if(left_over_, [&](const Leg& leg) { return leg.word.to.place == place; });
  return out;
}

void SqliteJournal::on_leg(CallId call, int leg, LastWord word) {
  const auto id = static_cast<std::int64_t>(call.value);
  const Hop& to = word.to;
  store_.defer(
      row_name(life_, id, leg),
      {"INSERT OR REPLACE INTO journal(life,call,leg,agent,transport,remote,local,"
       "server_name,message,kind) VALUES(?,?,?,?,?,?,?,?,?,?)",
       {life_, id, std::int64_t{leg}, static_cast<std::int64_t>(to.place.agent.value),
        static_cast<std::int64_t>(to.transport), to.remote.to_string(), to.local.to_string(),
        to.server_name, word.message, static_cast<std::int64_t>(word.kind)}});
  word.to.connection = {};  // as it will be when the word is said
  std::vector<Leg>& legs = live_[call];
  std::erase_if(legs, [&](const Leg& known) { return known.leg == leg; });
  legs.push_back({life_, id, leg, std::move(word)});
}

void SqliteJournal::on_leg_ended(CallId call, int leg) {
  const auto it = live_.find(call);
  if (it == live_.end()) return;
  std::erase_if(it->second, [&](const Leg& known) {
    if (known.leg == leg) erase(known);
    return known.leg == leg;
  });
}

void SqliteJournal::on_ended(CallId call) {
  const auto it = live_.find(call);
  if (it == live_.end()) return;
  for (const Leg& leg : it->second) erase(leg);
  live_.erase(it);
}

void SqliteJournal::on_edge_lost(adapter::Place place) {
  for (auto& [call, legs] : live_) {
    const auto lost = std::stable_partition(
        legs.begin(), legs.end(), [&](const Leg& leg) { return leg.word.to.place != place; });
    left_over_.insert(left_over_.end(), std::make_move_iterator(lost),
                      std::make_move_iterator(legs.end()));
    legs.erase(lost, legs.end());
  }
}

void SqliteJournal::erase(const Leg& leg) {
  store_.defer(
      row_name(leg.life, leg.call, leg.leg),
      {"DELETE FROM journal WHERE life=? AND call=? AND leg=?", {leg.life, leg.call, leg.leg}});
}

}  // namespace sallyport::brain
