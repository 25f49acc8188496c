// sallyport config check|default: is a configuration file right, and what could stand in it.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <filesystem>
#include <memory>
#include <string_view>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {
namespace {

struct Options {
  Common common;
  std::string file;
  bool server = false;
  bool agent = false;
};

void add_sides(CLI::App& command, Options& options) {
  auto* server = command.add_flag("--server", options.server, "The server's");
  command.add_flag("--agent", options.agent, "The agent's")->excludes(server);
}

// A file whose side is not said is what its name says: agent.toml is an agent's.
bool is_agents(const Options& options) {
  if (options.server || options.agent) return options.agent;
  const std::string name = options.file.substr(options.file.rfind('/') + 1);
  return name.find("agent") != std::string::npos;
}

int check(const Options& options) {
  config::Sources sources = options.common.sources();
  if (!options.file.empty()) sources.file = options.file;
  const bool agents = is_agents(options);
  const config::Problems problems =
      agents ? config::load_agent(sources).problems : config::load_server(sources).problems;
  if (options.common.json) {
    boost::json::array out;
    for (const config::Problem& problem : problems)
      out.emplace_back(boost::json::object{{"file", problem.source},
                                           {"line", problem.place.line},
                                           {"column", problem.place.column},
                                           {"what", problem.what}});
    fmt::print("{}\n", boost::json::serialize(out));
    return problems.empty() ? kOk : kUsage;
  }
  print_problems(problems);
  if (!problems.empty()) return kUsage;
  const std::string file = sources.file.value_or(agents ? config::kAgentFile : config::kServerFile);
  const std::string_view side = agents ? "an agent's" : "a server's";
  if (std::filesystem::exists(file))
    fmt::print("{}: {} configuration, good\n", file, side);
  else  // one that was named and is not there is a problem
    fmt::print("{} is not there: {} configuration is what the defaults say\n", file, side);
  return kOk;
}

}  // namespace

void add_config(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* config =
      app.add_subcommand("config", "Check a configuration, or print the default one");
  config->require_subcommand(1);

  CLI::App* command = config->add_subcommand("check", "Check a configuration file");
  command->footer(R"(Examples:
  sallyport config check /etc/sallyport/server.toml
  sallyport config check --agent new.toml

Each problem is told as FILE:LINE:COLUMN; exits with 2 if there is one.)");
  command->add_option("FILE", options->file, "The file; by default /etc/sallyport/server.toml");
  add_sides(*command, *options);
  command->add_option("--set", options->common.settings, "Check with this override; several")
      ->type_name("KEY=VALUE");
  command->add_flag("--json", options->common.json, "Print the problems as JSON");
  command->callback([options, &action] { action = [options] { return check(*options); }; });

  command = config->add_subcommand("default", "Print every key with its default and its meaning");
  command->footer(R"(Examples:
  sallyport config default --server > /etc/sallyport/server.toml
  sallyport config default --agent)");
  add_sides(*command, *options);
  command->callback([options, &action] {
    action = [options] {
      fmt::print("{}",
                 options->agent ? config::default_agent_file() : config::default_server_file());
      return static_cast<int>(kOk);
    };
  });
}

}  // namespace sallyport::cli
