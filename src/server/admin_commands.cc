#include "server/admin_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <utility>

#include "adapter/h323/h235.h"
#include "adapter/sip/digest.h"
#include "adapter/sip/domains.h"
#include "admin/wall_time.h"
#include "base/hex.h"

namespace sallyport::server {
namespace {

namespace json = boost::json;
using admin::Reply;
using admin::text_argument;

constexpr Duration kLongestInvite = std::chrono::hours{24 * 30};

void refuse(const Reply& reply, const Error& error) { reply.error(error.code, error.what); }

void invite(const EnrolmentCommands& commands, const json::object& arguments, const Reply& reply) {
  Duration life = commands.invite_life;
  if (arguments.contains("life_seconds")) {
    const std::int64_t wanted = admin::integer_argument(arguments, "life_seconds");
    if (wanted <= 0 || wanted > std::chrono::duration_cast<seconds>(kLongestInvite).count())
      return reply.error(Errc::BadValue, "an invitation lives for 1 second to 30 days");
    life = seconds{wanted};
  }
  const auto token = commands.enrolment.invite(
      text_argument(arguments, "name"), commands.site().servers, life, commands.network.wall_now());
  if (!token) return refuse(reply, token.error());
  json::array servers;
  for (const HostPort& server : token->servers) servers.emplace_back(server.to_string());
  reply.ok(json::object{{"name", text_argument(arguments, "name")},
                        {"token", enrolment::encode(*token)},
                        {"expires", admin::to_text(token->expires)},
                        {"servers", std::move(servers)}});
}

void list_invites(const EnrolmentCommands& commands, const Reply& reply) {
  json::array out;
  for (const Invite& invite : commands.enrolment.invites(commands.network.wall_now()))
    out.push_back({{"name", invite.name}, {"expires", admin::to_text(invite.expires)}});
  reply.ok(out);
}

void withdraw(const EnrolmentCommands& commands, const json::object& arguments,
              const Reply& reply) {
  const std::string name = text_argument(arguments, "name");
  if (const auto done = commands.enrolment.withdraw(name, commands.network.wall_now()); !done)
    return refuse(reply, done.error());
  reply.ok(json::object{{"name", name}});
}

void revoke(const EnrolmentCommands& commands, const json::object& arguments, const Reply& reply) {
  const auto agent =
      commands.enrolment.revoke(text_argument(arguments, "name"), commands.network.wall_now());
  if (!agent) return refuse(reply, agent.error());
  reply.ok(json::object{{"id", agent->id.value}, {"name", agent->name}});
}

void list_agents(const EnrolmentCommands& commands, const json::object& arguments,
                 const Reply& reply) {
  json::array out;
  for (const Agent& agent : commands.enrolment.agents(admin::flag_argument(arguments, "all"))) {
    json::object object{{"id", agent.id.value}, {"name", agent.name}, {"connected", false}};
    if (commands.describe_session) commands.describe_session(agent.id, object);
    object["enrolled"] = admin::to_text(agent.enrolled);
    object["certificate_ends"] = admin::to_text(agent.certificate_ends);
    object["revoked"] = nullptr;
    if (agent.revoked) object["revoked"] = admin::to_text(*agent.revoked);
    out.push_back(std::move(object));
  }
  reply.ok(out);
}

bool is_plain(const std::string& text) {
  return !text.empty() && text.size() <= 128 &&
         text.find_first_of(std::string_view{"\0\t\n\r \"\\<>@:;,", 13}) == std::string::npos;
}

bool is_served(const UserCommands& commands, std::string_view domain) {
  const auto same = [&](const std::string& each) {
    return adapter::sip::lower_case(each) == adapter::sip::lower_case(domain);
  };
  return std::any_of(commands.domains.begin(), commands.domains.end(), same) ||
         std::any_of(commands.relayed.begin(), commands.relayed.end(), same);
}

// Name and domain of a command's user, or nothing and the reply given.
std::optional<std::pair<std::string, std::string>> user_of(const json::object& arguments,
                                                           const UserCommands& commands,
                                                           const Reply& reply) {
  std::pair<std::string, std::string> out{text_argument(arguments, "name"),
                                          text_argument(arguments, "domain")};
  if (out.second.empty()) out.second = commands.default_domain;
  // As challenges name it; a realm of somebody else's is told by its capitals.
  if (is_served(commands, out.second)) out.second = adapter::sip::lower_case(out.second);
  if (out.second.empty()) {
    reply.error(Errc::BadValue, "no domain, and sip.default_domain is not set: say NAME@DOMAIN");
    return std::nullopt;
  }
  // An upstream's realm may hold spaces; it is a quoted string in a challenge.
  if (!is_plain(out.first) || out.second.size() > 255 ||
      out.second.find_first_of("\"\\\r\n") != std::string::npos) {
    reply.error(Errc::BadValue, "not a user's name and domain");
    return std::nullopt;
  }
  return out;
}

std::string list_of(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// A user of a domain that nobody serves can never register: most often a slip of the finger. Only a
// registrar elsewhere may ask for credentials under a realm that is no domain.
std::string domain_problem(const UserCommands& commands, const std::string& domain) {
  if (is_served(commands, domain)) return {};
  std::string out = fmt::format("{} is not a domain that this server serves; sip.domains: {}",
                                domain, list_of(commands.domains));
  if (!commands.relayed.empty()) out += "; sip.relay: " + list_of(commands.relayed);
  return out;
}

void add_user(const UserCommands& commands, const json::object& arguments, const Reply& reply) {
  const auto user = user_of(arguments, commands, reply);
  if (!user) return;
  const std::string password = text_argument(arguments, "password");
  const std::string login = text_argument(arguments, "login");
  if (password.empty()) return reply.error(Errc::BadValue, "an empty password");
  if (!login.empty() && login.find_first_of("\"\\\r\n") != std::string::npos)
    return reply.error(Errc::BadValue, "not a login");
  const std::string problem = domain_problem(commands, user->second);
  if (!problem.empty() && commands.relayed.empty()) return reply.error(Errc::NotFound, problem);
  brain::User made = adapter::sip::make_user(user->first, user->second, password, login);
  made.password_sha1 = to_hex(adapter::h323::H235::key_of(password));
  if (commands.keep_passwords) made.password = password;
  const auto added = commands.users.add(made);
  if (!added) return refuse(reply, added.error());
  (void)commands.unblock(user->first, user->second);
  json::object out{{"name", user->first}, {"domain", user->second}};
  if (!problem.empty())
    out["warning"] = problem + ". Kept as credentials for an upstream's realm of that name";
  reply.ok(out);
}

void list_users(const UserCommands& commands, const Reply& reply) {
  json::array out;
  for (const brain::User& user : commands.users.list())
    out.push_back({{"name", user.name}, {"domain", user.realm}, {"login", user.login}});
  reply.ok(out);
}

void remove_user(const UserCommands& commands, const json::object& arguments, const Reply& reply) {
  const auto user = user_of(arguments, commands, reply);
  if (!user) return;
  if (const auto removed = commands.users.remove(user->first, user->second); !removed)
    return refuse(reply, removed.error());
  commands.on_removed(user->first, user->second);
  reply.ok(json::object{{"name", user->first}, {"domain", user->second}});
}

void unblock_user(const UserCommands& commands, const json::object& arguments, const Reply& reply) {
  const auto user = user_of(arguments, commands, reply);
  if (!user) return;
  reply.ok(json::object{{"name", user->first},
                        {"domain", user->second},
                        {"was_blocked", commands.unblock(user->first, user->second)}});
}

}  // namespace

void add_enrolment_commands(admin::AdminServer& admin, EnrolmentCommands given) {
  const auto commands = std::make_shared<const EnrolmentCommands>(std::move(given));
  admin.add("invite", [commands](const json::object& arguments, const Reply& reply) {
    invite(*commands, arguments, reply);
  });
  admin.add("invites", [commands](const json::object&, const Reply& reply) {
    list_invites(*commands, reply);
  });
  admin.add("withdraw", [commands](const json::object& arguments, const Reply& reply) {
    withdraw(*commands, arguments, reply);
  });
  admin.add("revoke", [commands](const json::object& arguments, const Reply& reply) {
    revoke(*commands, arguments, reply);
  });
  admin.add("agents", [commands](const json::object& arguments, const Reply& reply) {
    list_agents(*commands, arguments, reply);
  });
}

void add_user_commands(admin::AdminServer& admin, UserCommands given) {
  const auto commands = std::make_shared<const UserCommands>(std::move(given));
  admin.add("user.add", [commands](const json::object& arguments, const Reply& reply) {
    add_user(*commands, arguments, reply);
  });
  admin.add("user.list",
            [commands](const json::object&, const Reply& reply) { list_users(*commands, reply); });
  admin.add("user.remove", [commands](const json::object& arguments, const Reply& reply) {
    remove_user(*commands, arguments, reply);
  });
  admin.add("user.unblock", [commands](const json::object& arguments, const Reply& reply) {
    unblock_user(*commands, arguments, reply);
  });
}

}  // namespace sallyport::server
