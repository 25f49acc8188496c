// sallyport agent: reads the configuration and runs the agent.
#include "agent/agent.h"

#include <memory>

#include "cli/command.h"

namespace sallyport::cli {

void add_agent(CLI::App& app, Action& action) {
  auto common = std::make_shared<Common>();
  CLI::App* command = app.add_subcommand("agent", "Run the agent");
  command->footer(R"(Examples:
  sallyport agent
  sallyport agent --set policy.terminals=10.1.1.0/24

The agent must have joined a server first (sallyport join). Runs in the foreground until SIGTERM, and
tells systemd when it is ready.)");
  add_config_options(*command, *common);
  command->callback([common, &action] {
    action = [common] {
      const auto loaded = config::load_agent(common->sources());
      print_problems(loaded.problems);
      return loaded.ok() ? agent::run(loaded.config) : static_cast<int>(kUsage);
    };
  });
}

}  // namespace sallyport::cli
