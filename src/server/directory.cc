#include "server/directory.h"

#include "admin/wall_time.h"

namespace sallyport::server {
namespace {

std::string_view name(edge::Transport transport) {
  switch (transport) {
    case edge::Transport::Tcp:
      return "TCP";
    case edge::Transport::Tls:
      return "TLS";
    case edge::Transport::Udp:
      break;
  }
  return "UDP";
}

}  // namespace

Result<std::unique_ptr<Directory>> Directory::open(const config::ServerConfig& config,
                                                   brain::SqliteStore& store, Log& log,
                                                   WallTime now) {
  std::unique_ptr<Directory> directory{new Directory};
  auto users = brain::SqliteUsers::open(store);
  if (!users) return tl::make_unexpected(users.error());
  directory->users_ = std::move(*users);

  brain::RegistrationLimits limits;
  limits.bindings_an_identity = config.limits.contacts_per_identity;
  limits.identities_a_place = config.limits.registrations_per_agent;
  limits.bindings = config.limits.registrations;
  auto registrations = brain::SqliteRegistrations::open(store, limits, now, log);
  if (!registrations) return tl::make_unexpected(registrations.error());
  directory->registrations_ = std::move(*registrations);
  return directory;
}

boost::json::object Directory::describe(const std::vector<adapter::Throttle::Blocked>& blocked,
                                        const NameOf& name_of, WallTime now) const {
  boost::json::array registered;
  for (const brain::Binding& binding : registrations_->all(now))
    registered.push_back(boost::json::object{{"identity", binding.identity},
                                             {"protocol", binding.protocol},
                                             {"agent", name_of(binding.place)},
                                             {"contact", binding.contact},
                                             {"address", binding.address.to_string()},
                                             {"transport", name(binding.transport)},
                                             {"expires", admin::to_text(binding.expires)},
                                             {"details", binding.details}});
  boost::json::array refused;
  for (const adapter::Throttle::Blocked& each : blocked) {
    const WallTime until = now + std::chrono::duration_cast<WallTime::duration>(each.left);
    refused.push_back(boost::json::object{{"identity", each.suspect.identity},
                                          {"agent", name_of(each.suspect.place)},
                                          {"address", each.suspect.host.to_string()},
                                          {"failures", each.failures},
                                          {"until", admin::to_text(until)}});
  }
  return {{"registrations", std::move(registered)}, {"blocked", std::move(refused)}};
}

}  // namespace sallyport::server
