// sallyport registrations: who is registered, from where, and who is refused after wrong passwords.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

void print(json::value result) {
  const WallTime now = std::chrono::system_clock::now();
  json::object& object = result.as_object();
  for (json::value& each : object["registrations"].as_array()) each.as_object().erase("details");
  with_moments(object["registrations"], {"expires"}, now);
  with_moments(object["blocked"], {"until"}, now);
  fmt::print("{}", table(object["registrations"], "nobody is registered\n"));
  const std::string blocked = table(object["blocked"], "");
  if (!blocked.empty()) fmt::print("\nRefused for a while, after wrong passwords:\n{}", blocked);
}

}  // namespace

void add_registrations(CLI::App& app, Action& action) {
  auto common = std::make_shared<Common>();
  CLI::App* command = app.add_subcommand(
      "registrations", "List who is registered, and who is blocked after wrong passwords");
  command->footer(R"(Examples:
  sallyport registrations
  sallyport registrations --json | jq -r '.registrations[].identity'

Who is blocked may register again when the time has come, or at once after sallyport user unblock;
other phones, and the same name from elsewhere, are not touched.)");
  add_client_options(*command, *common);
  command->callback([common, &action] {
    action = [common] {
      return ask_and_print(*common, Side::Server, "registrations", {},
                           [](const json::value& result) { print(result); });
    };
  });
}

}  // namespace sallyport::cli
