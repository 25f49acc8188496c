// sallyport server: reads the configuration and runs the server.
#include "server/server.h"

#include <memory>

#include "cli/command.h"

namespace sallyport::cli {

void add_server(CLI::App& app, Action& action) {
  auto common = std::make_shared<Common>();
  CLI::App* command = app.add_subcommand("server", "Run the server");
  command->footer(R"(Examples:
  sallyport server
  sallyport server --config /etc/sallyport/server.toml
  sallyport server --set address.advertised=203.0.113.7 --set media.y=2776

Runs in the foreground until SIGTERM, and tells systemd when it is ready.)");
  add_config_options(*command, *common);
  command->callback([common, &action] {
    action = [common] {
      const auto loaded = config::load_server(common->sources());
      print_problems(loaded.problems);
      return loaded.ok() ? server::run(loaded.config) : static_cast<int>(kUsage);
    };
  });
}

}  // namespace sallyport::cli
