#include "cli/command.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <memory>

#include "admin/admin_client.h"
#include "cli/print.h"

namespace sallyport::cli {

config::Sources Common::sources() const {
  config::Sources out;
  if (!config_file.empty()) out.file = config_file;
  out.environment = config::environment();
  out.settings = settings;
  return out;
}

void add_config_options(CLI::App& command, Common& common) {
  command.add_option("--config", common.config_file, "Configuration file")->type_name("FILE");
  command.add_option("--set", common.settings, "Override a key: SECTION.KEY=VALUE; several")
      ->type_name("KEY=VALUE");
}

void add_client_options(CLI::App& command, Common& common) {
  add_config_options(command, common);
  command.add_option("--socket", common.socket, "Admin socket, instead of the configuration's")
      ->type_name("PATH");
  command.add_flag("--json", common.json, "Print JSON");
}

void print_problems(const config::Problems& problems) {
  for (const config::Problem& problem : problems)
    std::fprintf(stderr, "%s\n", printable(problem.to_string()).c_str());
}

namespace {

constexpr Duration kPresencePatience = seconds{5};

struct Configured {
  std::optional<std::string> socket;
  config::Problems problems;  // why there is none
};

Configured configured_socket(const config::Sources& sources, Side side) {
  const auto take = [](const auto& loaded) -> Configured {
    if (!loaded.ok()) return {std::nullopt, loaded.problems};
    return {loaded.config.admin_socket, {}};
  };
  return side == Side::Server ? take(config::load_server(sources))
                              : take(config::load_agent(sources));
}

bool listens(const std::string& socket) {
  return admin::ask(socket, "status", {}, kPresencePatience).outcome != admin::Outcome::NotRunning;
}

// Most often a command was given on the wrong host: who runs here instead? Empty: not known.
std::string who_else(const Common& common, Side side) {
  const Side other = side == Side::Server ? Side::Agent : Side::Server;
  config::Sources sources = common.sources();
  sources.file.reset();  // --config names the file of the side that was asked
  sources.settings.clear();
  const auto socket = configured_socket(sources, other).socket;
  if (!socket) return {};
  if (!listens(*socket))
    return fmt::format("No {} runs on this host either ({}).", name(other), *socket);
  return fmt::format("This host runs the {} ({}): give this command on the {}'s host.", name(other),
                     *socket, name(side));
}

}  // namespace

std::optional<std::string> admin_socket(const Common& common, Side side) {
  if (!common.socket.empty()) return common.socket;
  const Configured found = configured_socket(common.sources(), side);
  print_problems(found.problems);
  return found.socket;
}

bool runs_here(const Common& common, Side side) {
  const auto socket = configured_socket(common.sources(), side).socket;
  return socket && listens(*socket);
}

int ask_and_print(const Common& common, Side side, const std::string& command,
                  const boost::json::object& arguments,
                  const std::function<void(const boost::json::value&)>& print) {
  const auto socket = admin_socket(common, side);
  if (!socket) return kUsage;
  const admin::Answer answer = admin::ask(*socket, command, arguments);
  if (answer.outcome == admin::Outcome::Done) {
    if (common.json)
      std::printf("%s\n", boost::json::serialize(answer.result).c_str());
    else
      print(answer.result);
    return kOk;
  }
  std::fprintf(stderr, "sallyport: %s\n", printable(answer.what).c_str());
  if (answer.outcome == admin::Outcome::NotRunning && common.socket.empty()) {
    const std::string else_here = who_else(common, side);
    if (!else_here.empty()) std::fprintf(stderr, "%s\n", printable(else_here).c_str());
  }
  switch (answer.outcome) {
    case admin::Outcome::NotRunning:
      return kNotRunning;
    case admin::Outcome::Forbidden:
      return kForbidden;
    case admin::Outcome::Refused:
      return kRefused;
    default:
      return kFailure;
  }
}

}  // namespace sallyport::cli
