#include "cli/command.h"

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

std::optional<std::string> admin_socket(const Common& common, Side side) {
  if (!common.socket.empty()) return common.socket;
  const auto take = [](const auto& loaded) -> std::optional<std::string> {
    if (loaded.ok()) return loaded.config.admin_socket;
    print_problems(loaded.problems);
    return std::nullopt;
  };
  return side == Side::Server ? take(config::load_server(common.sources()))
                              : take(config::load_agent(common.sources()));
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
