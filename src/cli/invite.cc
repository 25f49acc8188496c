// sallyport invite NAME: a token that lets one agent in, once.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {

void add_invite(CLI::App& app, Action& action) {
  struct Options {
    Common common;
    std::string name;
    std::string life;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("invite", "Invite an agent: prints the line to run there");
  command->footer(R"(Examples:
  sallyport invite branch-office
  sallyport invite branch-office --life "1 h"

The token can be used once, until it expires (24 hours by default), and pins this server's key. A
second invitation of the same name withdraws the first.)");
  command->add_option("NAME", options->name, "The agent's name: letters, digits, '.', '_', '-'")
      ->required();
  command->add_option("--life", options->life, "How long it can be used, such as \"1 h\"")
      ->type_name("TIME");
  add_client_options(*command, options->common);
  command->callback([options, &action] {
    action = [options] {
      boost::json::object arguments{{"name", options->name}};
      if (!options->life.empty()) {
        const auto life = config::parse_duration(options->life);
        if (!life || *life <= Duration::zero()) {
          std::fputs("sallyport: --life: not a duration such as \"1 h\"\n", stderr);
          return static_cast<int>(kUsage);
        }
        arguments["life_seconds"] = std::chrono::duration_cast<seconds>(*life).count();
      }
      return ask_and_print(
          options->common, Side::Server, "invite", arguments, [](const boost::json::value& result) {
            fmt::print("Run this on the agent, before {}:\n\n  sallyport join {}\n\n",
                       cell(result.at("expires")), cell(result.at("token")));
          });
    };
  });
}

}  // namespace sallyport::cli
