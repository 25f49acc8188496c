// sallyport agents: which agents are enrolled, connected, and invited.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {

void add_agents(CLI::App& app, Action& action) {
  struct Options {
    Common common;
    bool all = false;
    bool invited = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("agents", "List the agents, and whether they are connected");
  command->footer(R"(Examples:
  sallyport agents
  sallyport agents --invited
  sallyport agents --json | jq '.[] | select(.connected | not) | .name')");
  command->add_flag("--all", options->all, "Revoked ones too");
  command->add_flag("--invited", options->invited, "Open invitations instead");
  add_client_options(*command, options->common);
  command->callback([options, &action] {
    action = [options] {
      return ask_and_print(options->common, Side::Server, options->invited ? "invites" : "agents",
                           {{"all", options->all}}, [](const boost::json::value& result) {
                             fmt::print("{}", table(result, "none\n"));
                           });
    };
  });
}

}  // namespace sallyport::cli
