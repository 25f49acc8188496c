#include "server/enrolment.h"

#include <algorithm>

namespace sallyport::server {
namespace {

using brain::SqlRow;
using brain::SqlValue;
using enrolment::JoinRefusal;
using enrolment::Refused;

// Times are whole seconds since 1970. AUTOINCREMENT: an id is never given out twice, even after its
// row is gone. A name belongs to one enrolled agent at a time.
const std::vector<std::string> kTables = {
    "CREATE TABLE agents("
    "id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, enrolled INTEGER NOT NULL,"
    "revoked INTEGER);"
    "CREATE UNIQUE INDEX agents_name ON agents(name) WHERE revoked IS NULL;"
    "CREATE TABLE agent_keys("
    "pin BLOB PRIMARY KEY, agent INTEGER NOT NULL REFERENCES agents(id),"
    "made INTEGER NOT NULL, ends INTEGER NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX agent_keys_agent ON agent_keys(agent);"
    "CREATE TABLE invites("
    "hash BLOB PRIMARY KEY, name TEXT NOT NULL, expires INTEGER NOT NULL,"
    "agent INTEGER, pin BLOB) WITHOUT ROWID;"  // agent and its key, once used
    "CREATE INDEX invites_name ON invites(name)"};

// A used or expired invite is remembered for so long, so that whoever tries it is told why.
constexpr auto kRemembered = std::chrono::hours{24 * 30};
// An agent's clock may be behind ours.
constexpr auto kClockSlack = std::chrono::minutes{10};

std::int64_t to_seconds(WallTime time) {
  return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}
WallTime from_seconds(std::int64_t count) { return WallTime{seconds{count}}; }

template <typename Octets>
Buffer blob_of(const Octets& octets) {
  return Buffer{octets.begin(), octets.end()};
}

bool is_agent_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

std::string ago(Duration since) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(since).count();
  if (minutes < 2) return "just now";
  if (minutes < 120) return std::to_string(minutes) + " minutes ago";
  constexpr std::int64_t kDay = 24 * std::int64_t{60};
  if (minutes < 2 * kDay) return std::to_string(minutes / 60) + " hours ago";
  return std::to_string(minutes / kDay) + " days ago";
}

mux::Refusal refuse(mux::RefusalCode code, std::string text, WallTime now) {
  return {code, milliseconds{0}, now, std::move(text)};
}

}  // namespace

Result<std::unique_ptr<Enrolment>> Enrolment::open(brain::SqliteStore& store,
                                                   const Authority& authority, Random& random,
                                                   Options options) {
  if (const auto made = store.migrate("enrolment", kTables); !made)
    return tl::make_unexpected(made.error());
  return std::unique_ptr<Enrolment>{new Enrolment(store, authority, random, options)};
}

// ---- Invites ----

Result<enrolment::Token> Enrolment::invite(const std::string& name,
                                           const std::vector<HostPort>& servers, Duration life,
                                           WallTime now) {
  if (!is_agent_name(name))
    return fail(Errc::BadValue, "a name is 1 to 64 letters, digits, '.', '_' and '-'");
  if (servers.empty()) return fail(Errc::BadValue, "no address of the server is known");
  if (!select("WHERE name=? AND revoked IS NULL", {name}).empty())
    return fail(Errc::NotPermitted, "an agent of this name is enrolled; revoke it first");
  if (invites(now).size() >= options_.max_invites)
    return fail(Errc::Exhausted, "too many open invitations");

  enrolment::Token token;
  token.servers.assign(servers.begin(),
                       servers.begin() + static_cast<std::ptrdiff_t>(
                                             std::min(servers.size(), enrolment::kMaxServers)));
  token.pin = authority_.pin();
  token.secret = random_.array<16>();
  token.expires = from_seconds(to_seconds(now + life));
  const auto written = store_.write_all({
      {"DELETE FROM invites WHERE expires<?", {to_seconds(now - kRemembered)}},
      {"DELETE FROM invites WHERE name=? AND agent IS NULL", {name}},
      {"INSERT INTO invites(hash,name,expires) VALUES(?,?,?)",
       {blob_of(enrolment::hash_of(token.secret)), name, to_seconds(token.expires)}},
  });
  if (!written) return tl::make_unexpected(written.error());
  return token;
}

std::vector<Invite> Enrolment::invites(WallTime now) const {
  const auto rows = store_.query(
      {"SELECT name,expires FROM invites WHERE agent IS NULL AND expires>=? ORDER BY name",
       {to_seconds(now)}});
  std::vector<Invite> out;
  if (!rows) return out;
  for (const SqlRow& row : *rows)
    out.push_back({brain::text(row[0]), from_seconds(brain::integer(row[1]))});
  return out;
}

Result<void> Enrolment::withdraw(const std::string& name, WallTime now) {
  const auto gone =
      store_.write({"DELETE FROM invites WHERE name=? AND agent IS NULL AND expires>=?",
                    {name, to_seconds(now)}});
  if (!gone) return tl::make_unexpected(gone.error());
  if (*gone == 0) return fail(Errc::NotFound, "there is no open invitation of this name");
  return {};
}

// ---- Joining ----

Result<net::Certificate> Enrolment::sign(Bytes public_key, const std::string& name, WallTime now) {
  return net::sign_client_certificate(authority_.issuer(), public_key, name,
                                      net::make_serial(random_),
                                      {now - kClockSlack, now + options_.certificate_life});
}

enrolment::JoinReply Enrolment::join(const enrolment::JoinRequest& request,
                                     const enrolment::Site& site, WallTime now) {
  const Buffer hash = blob_of(enrolment::hash_of(request.secret));
  const auto rows =
      store_.query({"SELECT name,expires,agent,pin FROM invites WHERE hash=?", {hash}});
  if (!rows) return Refused{JoinRefusal::Internal, "the server's disk"};
  if (rows->empty())
    return Refused{JoinRefusal::BadToken,
                   "no such invitation here: it was withdrawn, replaced, or is another server's"};
  const SqlRow& invite = rows->front();
  const std::string name = brain::text(invite[0]);
  const WallTime expires = from_seconds(brain::integer(invite[1]));
  const auto used_by = static_cast<std::uint32_t>(brain::integer(invite[2]));

  const auto asked = net::read_signing_request(request.signing_request);
  if (!asked) return Refused{JoinRefusal::Malformed, std::string{asked.error().what}};
  const net::SpkiPin pin = net::pin_of(asked->public_key);
  // Only the key that joined with this secret may have its answer repeated.
  const bool repeated = used_by != 0 && std::ranges::equal(brain::blob(invite[3]), pin);
  if (used_by != 0 && !repeated)
    return Refused{JoinRefusal::Used, "this invitation was used; ask for a new one"};
  if (now > expires)
    return Refused{JoinRefusal::Expired, "this invitation expired " + ago(now - expires)};

  const auto certificate = sign(asked->public_key, name, now);
  if (!certificate) return Refused{JoinRefusal::Malformed, std::string{certificate.error().what}};
  if (repeated) {
    if (!select("WHERE id=? AND revoked IS NULL", {std::int64_t{used_by}}).empty())
      return enrolment::Joined{AgentId{used_by}, name, certificate->to_pem(), site};
    return Refused{JoinRefusal::Used, "the agent that used this invitation was revoked"};
  }

  // One transaction: the invite is used up with the agent that used it, or neither happens. The
  // agent may have been enrolled by another invite of the same name meanwhile: the index refuses.
  const auto written = store_.write_all({
      {"INSERT INTO agents(name,enrolled) VALUES(?,?)", {name, to_seconds(now)}},
      {"INSERT INTO agent_keys(pin,agent,made,ends,number) "
       "SELECT ?,seq,?,?,1 FROM sqlite_sequence WHERE name='agents'",
       {blob_of(pin), to_seconds(now), to_seconds(certificate->validity().not_after)}},
      {"UPDATE invites SET pin=?,agent=(SELECT seq FROM sqlite_sequence WHERE name='agents') "
       "WHERE hash=? AND agent IS NULL",
       {blob_of(pin), hash}},
  });
  const auto agents = select("WHERE name=? AND revoked IS NULL", {name});
  if (!written || *written != 1 || agents.empty())
    return Refused{JoinRefusal::Internal, "the agent could not be written down"};
  return enrolment::Joined{agents.front().id, name, certificate->to_pem(), site};
}

// ---- Agents that come again ----

std::variant<Agent, mux::Refusal> Enrolment::admit(Bytes certificate, WallTime now) {
  using mux::RefusalCode;
  const auto shown = net::Certificate::from_der(certificate);
  if (!shown || !shown->signed_by(authority_.issuer().certificate))
    return refuse(RefusalCode::UnknownAgent, "this certificate is not of this server's making",
                  now);
  const auto rows =
      store_.query({"SELECT agent,number FROM agent_keys WHERE pin=?", {blob_of(shown->pin())}});
  if (!rows) return refuse(RefusalCode::Overloaded, "the server's disk", now);
  if (rows->empty())
    return refuse(RefusalCode::UnknownAgent,
                  "this key was replaced by a newer one, or its agent was removed", now);
  const auto found = find(AgentId{static_cast<std::uint32_t>(brain::integer(rows->front()[0]))});
  if (!found || found->revoked)
    return refuse(RefusalCode::RevokedAgent, "this agent was revoked", now);
  const net::Validity validity = shown->validity();
  if (now > validity.not_after)
    return refuse(RefusalCode::CertificateExpired,
                  "the agent's certificate expired " + ago(now - validity.not_after) +
                      "; revoke the agent and invite it again",
                  now);
  if (now < validity.not_before)
    return refuse(RefusalCode::CertificateExpired,
                  "the agent's certificate is not valid yet: the server's clock was set back", now);

  // A key's first use ends the keys before it.
  const std::int64_t number = brain::integer(rows->front()[1]);
  const std::int64_t id = found->id.value;
  const auto older =
      store_.query({"SELECT 1 FROM agent_keys WHERE agent=? AND number<?", {id, number}});
  if (older && !older->empty())
    (void)store_.write({"DELETE FROM agent_keys WHERE agent=? AND number<?", {id, number}});
  return *found;
}

Result<net::Certificate> Enrolment::renew(AgentId agent, std::string_view signing_request,
                                          WallTime now) {
  const auto found = find(agent);
  if (!found || found->revoked) return fail(Errc::NotPermitted, "this agent was revoked");
  const auto asked = net::read_signing_request(signing_request);
  if (!asked) return tl::make_unexpected(asked.error());
  if (asked->common_name != found->name)
    return fail(Errc::NotPermitted, "the request is for another agent's name");
  const Buffer pin = blob_of(net::pin_of(asked->public_key));
  const auto owner = store_.query({"SELECT agent FROM agent_keys WHERE pin=?", {pin}});
  if (!owner) return tl::make_unexpected(owner.error());
  if (!owner->empty() && brain::integer(owner->front()[0]) != agent.value)
    return fail(Errc::NotPermitted, "another agent has this key");

  auto certificate = sign(asked->public_key, found->name, now);
  if (!certificate) return certificate;
  const std::int64_t id = agent.value;
  const std::int64_t ends = to_seconds(certificate->validity().not_after);
  // Asking again and again, and using none of it, leaves the key in use and the newest one.
  const auto written = store_.write_all({
      {"DELETE FROM agent_keys WHERE agent=?1 AND pin<>?2 AND number>"
       "(SELECT min(number) FROM agent_keys WHERE agent=?1)",
       {id, pin}},
      {"INSERT INTO agent_keys(pin,agent,made,ends,number) "
       "SELECT ?1,?2,?3,?4,coalesce(max(number),0)+1 FROM agent_keys WHERE agent=?2 "
       "ON CONFLICT(pin) DO UPDATE SET ends=excluded.ends",
       {pin, id, to_seconds(now), ends}},
  });
  if (!written) return tl::make_unexpected(written.error());
  return certificate;
}

Result<Agent> Enrolment::revoke(const std::string& name, WallTime now) {
  const auto found = select("WHERE name=? AND revoked IS NULL", {name});
  std::vector<brain::SqlStatement> statements{
      {"DELETE FROM invites WHERE name=? AND agent IS NULL", {name}}};
  if (!found.empty())
    statements.push_back({"UPDATE agents SET revoked=? WHERE id=?",
                          {to_seconds(now), std::int64_t{found.front().id.value}}});
  if (const auto written = store_.write_all(statements); !written)
    return tl::make_unexpected(written.error());
  if (found.empty()) return fail(Errc::NotFound, "no agent of this name is enrolled");
  if (on_revoked_) on_revoked_(found.front().id);
  Agent agent = found.front();
  agent.revoked = from_seconds(to_seconds(now));
  return agent;
}

std::optional<Agent> Enrolment::find(AgentId agent) const {
  auto found = select("WHERE id=?", {std::int64_t{agent.value}});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::vector<Agent> Enrolment::agents(bool with_revoked) const {
  return select(with_revoked ? "" : "WHERE revoked IS NULL", {});
}

std::vector<Agent> Enrolment::select(const std::string& where, std::vector<SqlValue> values) const {
  const auto rows =
      store_.query({"SELECT id,name,enrolled,revoked,"
                    "(SELECT coalesce(max(ends),0) FROM agent_keys WHERE agent=id) FROM agents " +
                        where + " ORDER BY name,id",
                    std::move(values)});
  std::vector<Agent> out;
  if (!rows) return out;  // logged there; nobody gets in meanwhile
  for (const SqlRow& row : *rows) {
    Agent agent{AgentId{static_cast<std::uint32_t>(brain::integer(row[0]))},
                brain::text(row[1]),
                from_seconds(brain::integer(row[2])),
                from_seconds(brain::integer(row[4])),
                {}};
    if (const std::int64_t revoked = brain::integer(row[3]); revoked != 0)
      agent.revoked = from_seconds(revoked);
    out.push_back(std::move(agent));
  }
  return out;
}

}  // namespace sallyport::server
