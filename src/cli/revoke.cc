// sallyport revoke NAME: an agent is let in no more, from this moment on.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {

void add_revoke(CLI::App& app, Action& action) {
  struct Options {
    Common common;
    std::string name;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("revoke", "Shut an agent out, and end its session at once");
  command->footer(R"(Example:
  sallyport revoke branch-office

Its name is free again; an agent that is invited under it later gets a new identity.)");
  command->add_option("NAME", options->name, "The agent's name")->required();
  add_client_options(*command, options->common);
  command->callback([options, &action] {
    action = [options] {
      return ask_and_print(options->common, Side::Server, "revoke", {{"name", options->name}},
                           [](const boost::json::value& result) {
                             fmt::print("{} is revoked.\n", cell(result.at("name")));
                           });
    };
  });
}

}  // namespace sallyport::cli
