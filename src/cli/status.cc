// sallyport status: how the server, or the agent, of this host is doing.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {
namespace {

// Without a word on which side: the file named by --config says so, or whichever runs here.
std::optional<Side> find_side(const Common& common) {
  if (!common.config_file.empty()) {
    const auto server = config::load_server(common.sources());
    if (server.ok()) return Side::Server;
    if (config::load_agent(common.sources()).ok()) return Side::Agent;
    print_problems(server.problems);
    return std::nullopt;
  }
  return !runs_here(common, Side::Server) && runs_here(common, Side::Agent) ? Side::Agent
                                                                            : Side::Server;
}

}  // namespace

void add_status(CLI::App& app, Action& action) {
  struct Options {
    Common common;
    bool server = false;
    bool agent = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("status", "Show how the server or agent is doing");
  command->footer(R"(Examples:
  sallyport status
  sallyport status --agent --json)");
  auto* server = command->add_flag("--server", options->server, "The server's");
  command->add_flag("--agent", options->agent, "The agent's")->excludes(server);
  add_client_options(*command, options->common);
  command->callback([options, &action] {
    action = [options] {
      std::optional<Side> side = options->agent ? Side::Agent : Side::Server;
      if (!options->agent && !options->server && options->common.socket.empty())
        side = find_side(options->common);
      if (!side) return static_cast<int>(kUsage);
      return ask_and_print(options->common, *side, "status", {}, [](boost::json::value result) {
        if (boost::json::value* bandwidth = result.as_object().if_contains("bandwidth"))
          with_rates(*bandwidth, {"used", "limit", "limit_per_agent", "limit_per_call"});
        fmt::print("{}", fields(result));
      });
    };
  });
}

}  // namespace sallyport::cli
