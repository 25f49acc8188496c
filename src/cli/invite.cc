// sallyport invite NAME: a token that lets one agent in, once. Lists and withdraws those that
// nobody has used yet, too.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

struct Options {
  Common common;
  std::string name;
  std::string life;
  std::string withdrawn;
  bool list = false;
};

int invite(const Options& options) {
  json::object arguments{{"name", options.name}};
  if (!options.life.empty()) {
    const auto life = config::parse_duration(options.life);
    if (!life || *life <= Duration::zero()) {
      std::fputs("sallyport: --life: not a duration such as \"1 h\"\n", stderr);
      return kUsage;
    }
    arguments["life_seconds"] = std::chrono::duration_cast<seconds>(*life).count();
  }
  return ask_and_print(options.common, Side::Server, "invite", arguments,
                       [](const json::value& result) {
                         fmt::print("Run this on the agent, before {}:\n\n  sallyport join {}\n\n",
                                    cell(result.at("expires")), cell(result.at("token")));
                       });
}

int list(const Options& options) {
  return ask_and_print(options.common, Side::Server, "invites", {}, [](json::value result) {
    with_moments(result, {"expires"}, std::chrono::system_clock::now());
    fmt::print("{}", table(result, "no open invitations\n"));
  });
}

int withdraw(const Options& options) {
  return ask_and_print(options.common, Side::Server, "withdraw", {{"name", options.withdrawn}},
                       [](const json::value& result) {
                         fmt::print("The invitation of {} is withdrawn: its token opens nothing.\n",
                                    cell(result.at("name")));
                       });
}

int run(const Options& options) {
  if (options.list) return list(options);
  if (!options.withdrawn.empty()) return withdraw(options);
  if (!options.name.empty()) return invite(options);
  std::fputs("sallyport: invite: NAME, --list or --withdraw NAME\n", stderr);
  return kUsage;
}

}  // namespace

void add_invite(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("invite", "Invite an agent: prints the line to run there");
  command->footer(R"(Examples:
  sallyport invite branch-office
  sallyport invite branch-office --life "1 h"
  sallyport invite --list                       # those that nobody has used yet
  sallyport invite --withdraw branch-office

The token can be used once, until it expires (24 hours by default), and pins this server's key. A
second invitation of the same name withdraws the first.)");
  auto* name = command->add_option("NAME", options->name,
                                   "The agent's name: letters, digits, '.', '_', '-'");
  auto* life =
      command->add_option("--life", options->life, "How long it can be used, such as \"1 h\"")
          ->type_name("TIME");
  auto* list =
      command->add_flag("--list", options->list, "List open invitations")->excludes(name, life);
  command->add_option("--withdraw", options->withdrawn, "Withdraw the open invitation of this name")
      ->excludes(name, life, list)
      ->type_name("NAME");
  add_client_options(*command, options->common);
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace sallyport::cli
