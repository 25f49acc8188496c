// sallyport audit verify: whether an audit log is whole and unchanged.
#include "edge/audit.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>

#include "admin/admin_client.h"
#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {
namespace {

struct Options {
  Common common;
  std::string file;
  std::string known;
  bool server = false;
  bool agent = false;
};

// The hash of the last line that whoever writes the log has written; empty when nobody runs.
std::string hash_of_writer(const std::string& socket) {
  const admin::Answer answer = admin::ask(socket, "status", {});
  const boost::json::value* hash =
      answer.result.is_object() ? answer.result.get_object().if_contains("audit_hash") : nullptr;
  return hash != nullptr && hash->is_string() ? std::string{hash->get_string()} : std::string{};
}

struct Found {
  std::string file;    // empty: the configuration is wrong, as `problems` say
  std::string socket;  // of whoever writes it
  config::Problems problems;
};

Found configured_log(const config::Sources& sources, Side side) {
  const auto take = [](const auto& loaded) -> Found {
    if (!loaded.ok()) return {{}, {}, loaded.problems};
    return {loaded.config.audit_file(), loaded.config.admin_socket, {}};
  };
  return side == Side::Server ? take(config::load_server(sources))
                              : take(config::load_agent(sources));
}

// The log of this host's agent, or of its server, and what that says that it has written. Unless it
// was said whose, the agent's is taken, or the server's where there is no other.
int find_log(Options& options) {
  std::vector<Side> sides{Side::Agent, Side::Server};
  if (options.server) sides = {Side::Server};
  if (options.agent) sides = {Side::Agent};
  std::string tried;
  config::Problems problems;
  for (const Side side : sides) {
    const Found found = configured_log(options.common.sources(), side);
    if (found.file.empty()) {
      if (problems.empty()) problems = found.problems;  // a file is one side's only
      continue;
    }
    if (::access(found.file.c_str(), F_OK) != 0 && errno == ENOENT) {
      tried += fmt::format("{}{} of the {}", tried.empty() ? "" : ", nor ", found.file, name(side));
      continue;
    }
    options.file = found.file;
    if (options.known.empty()) options.known = hash_of_writer(found.socket);
    return kOk;
  }
  if (tried.empty()) {
    print_problems(problems);
    return kUsage;
  }
  fmt::print(stderr, "sallyport: no audit log on this host: not {}\n", printable(tried));
  return kFailure;
}

void print(const Options& options, const edge::AuditVerdict& verdict,
           const std::optional<std::string>& problem) {
  if (options.common.json) {
    boost::json::object out{{"file", options.file},
                            {"whole", !problem},
                            {"lines", verdict.lines},
                            {"lost", verdict.lost},
                            {"last_hash", verdict.last_hash}};
    if (verdict.broken_line) out["broken_line"] = *verdict.broken_line;
    if (problem) out["what"] = *problem;
    fmt::print("{}\n", boost::json::serialize(out));
    return;
  }
  const std::string file = printable(options.file);
  if (verdict.broken_line)
    fmt::print("{}:{}: {}\n", file, *verdict.broken_line, printable(*problem));
  else if (problem)
    fmt::print("{}: {}\n", file, printable(*problem));
  else if (verdict.lost != 0)
    fmt::print("{}: {} lines, whole; {} lines could not be written\n", file, verdict.lines,
               verdict.lost);
  else
    fmt::print("{}: {} lines, whole\n", file, verdict.lines);
}

int verify(Options options) {
  if (options.file.empty())
    if (const int failed = find_log(options); failed != kOk) return failed;
  const auto verdict = edge::verify_audit(options.file, options.known);
  if (!verdict) {
    fmt::print(stderr, "sallyport: {}: {}\n", printable(options.file), verdict.error().what);
    return kFailure;
  }
  std::optional<std::string> problem;
  if (verdict->broken_line)
    problem = verdict->what;
  else if (!options.known.empty() && !verdict->known_found)
    problem = "a line that was written is not there: the log was cut off or replaced";
  print(options, *verdict, problem);
  return problem ? kFailure : kOk;
}

}  // namespace

void add_audit(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* audit = app.add_subcommand("audit", "Check the log of everything opened and closed");
  audit->require_subcommand(1);
  CLI::App* command =
      audit->add_subcommand("verify", "Check that an audit log was not tampered with");
  command->footer(R"(Examples:
  sallyport audit verify                                  # of the agent or server of this host
  sallyport audit verify --server
  sallyport audit verify copy.jsonl --known 3f1c...       # a last hash that was noted before

Exits with 1 when a line was changed, removed or put in, and names the first such line; or when the
log does not hold the line with the known hash: its end was cut off. Without FILE, the agent or
server that runs is asked for the hash of its last line.)");
  command->add_option("FILE", options->file,
                      "The log; by default that of this host's agent or server");
  auto* server = command->add_flag("--server", options->server, "The server's log");
  command->add_flag("--agent", options->agent, "The agent's log")->excludes(server);
  command->add_option("--known", options->known, "The hash of a line that must be there")
      ->type_name("HASH");
  add_config_options(*command, options->common);
  command->add_flag("--json", options->common.json, "Print JSON");
  command->callback([options, &action] { action = [options] { return verify(*options); }; });
}

}  // namespace sallyport::cli
