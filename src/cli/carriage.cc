// sallyport carriage NAME CARRIAGE: how an agent's media travels from now on.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {

void add_carriage(CLI::App& app, Action& action) {
  struct Options {
    Common common;
    std::string name;
    std::string carriage;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "carriage", "Choose how an agent's media travels, that of calls under way too");
  command->footer(R"(Examples:
  sallyport carriage branch-office tagged
  sallyport carriage branch-office bound

Nothing of a call is lost at the change. It holds until the server ends; for good, use
media.carriage and media.bound_agents in its configuration.)");
  command->add_option("NAME", options->name, "The agent's name")->required();
  command->add_option("CARRIAGE", options->carriage, "tagged or bound")
      ->required()
      ->check(CLI::IsMember({"tagged", "bound"}));
  add_client_options(*command, options->common);
  command->callback([options, &action] {
    action = [options] {
      return ask_and_print(options->common, Side::Server, "carriage",
                           {{"name", options->name}, {"carriage", options->carriage}},
                           [](const boost::json::value& result) {
                             fmt::print("Media of {} is {} from now on, {}encrypted.\n",
                                        cell(result.at("name")), cell(result.at("carriage")),
                                        result.at("encrypted").as_bool() ? "" : "not ");
                           });
    };
  });
}

}  // namespace sallyport::cli
