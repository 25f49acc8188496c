// sallyport calls: the calls that are up now.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {

void add_calls(CLI::App& app, Action& action) {
  auto common = std::make_shared<Common>();
  CLI::App* command = app.add_subcommand("calls", "List the calls that are up now");
  command->footer(R"(Examples:
  sallyport calls
  sallyport calls --json)");
  add_client_options(*command, *common);
  command->callback([common, &action] {
    action = [common] {
      return ask_and_print(*common, Side::Server, "calls", {}, [](boost::json::value result) {
        with_moments(result, {"since"}, std::chrono::system_clock::now());
        fmt::print("{}", table(result, "no calls\n"));
      });
    };
  });
}

}  // namespace sallyport::cli
