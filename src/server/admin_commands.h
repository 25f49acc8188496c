// What `sallyport invite`, `revoke`, `agents` and `user` ask of a running server, as commands of
// its admin socket. Wiring between the socket and the things themselves; the brain's thread.
//
//   invite       {name, life_seconds?}         -> {name, token, expires, servers}
//   invites      {}                            -> [{name, expires}]
//   withdraw     {name}                        -> {name}
//   revoke       {name}                        -> {id, name}
//   agents       {all?}                        -> [{id, name, connected, ..., enrolled,
//                                                   certificate_ends, revoked}]
//   user.add     {name, domain?, login?, password} -> {name, domain, warning?}
//   user.list    {}                            -> [{name, domain, login}]
//   user.remove  {name, domain?}               -> {name, domain}
//   user.unblock {name, domain?}               -> {name, domain, was_blocked}
//
// Times are texts of RFC 3339 in UTC.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <vector>

#include "admin/admin_server.h"
#include "brain/users.h"
#include "server/enrolment.h"

namespace sallyport::server {

struct EnrolmentCommands {
  Enrolment& enrolment;
  net::Network& network;
  std::function<enrolment::Site()> site;  // what invites name
  Duration invite_life;                   // unless the command says another
  // Adds to an agent's object what is known of its session: connected (always), remote, since and
  // the like.
  std::function<void(AgentId, boost::json::object&)> describe_session;
};
void add_enrolment_commands(admin::AdminServer& admin, EnrolmentCommands commands);

struct UserCommands {
  brain::Users& users;
  std::string default_domain;        // of users that are named without one
  std::vector<std::string> domains;  // that this server is the registrar of
  std::vector<std::string> relayed;  // whose registrars, elsewhere, may have realms of any name
  bool keep_passwords = false;       // as they are: what H.323 is allowed cannot do without
  // Whoever is removed is no longer registered anywhere either: that is the hearer's part.
  std::function<void(const std::string& name, const std::string& domain)> on_removed;
  // Forgets the wrong passwords of this user's phones; whether one was refused for them. Also asked
  // when the password is changed.
  std::function<bool(const std::string& name, const std::string& domain)> unblock;
};
void add_user_commands(admin::AdminServer& admin, UserCommands commands);

}  // namespace sallyport::server
