// sallyport audit verify: whether an audit log is whole and unchanged.
#include "edge/audit.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {
namespace {

struct Options {
  Common common;
  std::string file;
};

int verify(const Options& options) {
  std::string file = options.file;
  if (file.empty()) {
    const auto agent = config::load_agent(options.common.sources());
    if (!agent.ok()) {
      print_problems(agent.problems);
      return kUsage;
    }
    file = agent.config.audit_file();
  }
  const auto verdict = edge::verify_audit(file);
  if (!verdict) {
    fmt::print(stderr, "sallyport: {}: {}\n", printable(file), verdict.error().what);
    return kFailure;
  }
  const bool whole = !verdict->broken_line;
  if (options.common.json) {
    boost::json::object out{
        {"file", file}, {"whole", whole}, {"lines", verdict->lines}, {"lost", verdict->lost}};
    if (!whole) {
      out["broken_line"] = *verdict->broken_line;
      out["what"] = verdict->what;
    }
    fmt::print("{}\n", boost::json::serialize(out));
  } else if (whole) {
    fmt::print("{}: {} lines, whole", printable(file), verdict->lines);
    if (verdict->lost != 0) fmt::print("; {} lines could not be written", verdict->lost);
    fmt::print("\n");
  } else {
    fmt::print("{}:{}: {}\n", printable(file), *verdict->broken_line, printable(verdict->what));
  }
  return whole ? kOk : kFailure;
}

}  // namespace

void add_audit(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* audit = app.add_subcommand("audit", "Check the log of everything opened and closed");
  audit->require_subcommand(1);
  CLI::App* command =
      audit->add_subcommand("verify", "Check that an audit log was not tampered with");
  command->footer(R"(Examples:
  sallyport audit verify                                  # this host's agent's
  sallyport audit verify /var/lib/sallyport/server-audit.jsonl

Exits with 1 when a line was changed, removed or put in, and names the first such line.)");
  command->add_option("FILE", options->file, "The log; by default the agent's");
  add_config_options(*command, options->common);
  command->add_flag("--json", options->common.json, "Print JSON");
  command->callback([options, &action] { action = [options] { return verify(*options); }; });
}

}  // namespace sallyport::cli
