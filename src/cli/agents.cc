// sallyport agents: which agents are enrolled, connected, and invited.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

bool is_true(const json::object& agent, std::string_view member) {
  const json::value* value = agent.if_contains(member);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string text(const json::object& agent, std::string_view member) {
  const json::value* value = agent.if_contains(member);
  return value == nullptr ? "-" : cell(*value);
}

// Whether it comes about, and how it travels: "confirmed, encrypted, by TLS", "not tried, bound".
std::string media(const json::object& agent) {
  std::string out = text(agent, "media");
  if (is_true(agent, "media_encrypted"))
    out += ", encrypted";
  else if (agent.contains("carriage"))
    out += ", " + text(agent, "carriage");
  if (const json::value* tls = agent.if_contains("media_tls_connections");
      tls != nullptr && *tls != json::value{0})
    out += ", by TLS";
  return out;
}

std::string bandwidth(const json::object& agent) {
  const json::value* used = agent.if_contains("bandwidth");
  if (used == nullptr) return "-";
  const json::value* limit = agent.if_contains("bandwidth_limit");
  return limit == nullptr || limit->is_null() ? rate(*used) : rate(*used) + " of " + rate(*limit);
}

std::string round_trip(const json::object& agent) {
  return agent.contains("round_trip_ms") ? text(agent, "round_trip_ms") + " ms" : "-";
}

// What fits a line; --json has the rest.
void print(const json::value& agents, bool all) {
  json::array rows;
  std::string problems;
  for (const json::value& each : agents.as_array()) {
    const json::object& agent = each.as_object();
    json::object row{{"name", text(agent, "name")},     {"connected", text(agent, "connected")},
                     {"remote", text(agent, "remote")}, {"way", text(agent, "way")},
                     {"round_trip", round_trip(agent)}, {"media", media(agent)},
                     {"bandwidth", bandwidth(agent)}};
    if (all) row["revoked"] = text(agent, "revoked");
    rows.push_back(std::move(row));
    if (agent.contains("media_problem"))
      problems += fmt::format("{}: media: {}\n", text(agent, "name"), text(agent, "media_problem"));
  }
  json::value list = std::move(rows);
  if (all) with_moments(list, {"revoked"}, std::chrono::system_clock::now());
  fmt::print("{}", table(list, "none\n"));
  if (!problems.empty()) fmt::print("\n{}", problems);
}

}  // namespace

void add_agents(CLI::App& app, Action& action) {
  struct Options {
    Common common;
    bool all = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("agents", "List the agents, and whether they are connected");
  command->footer(R"(Examples:
  sallyport agents
  sallyport agents --json | jq '.[] | select(.connected | not) | .name'

--json tells more of each: its software, since when it is connected, until when its certificate
lasts. Open invitations: sallyport invite --list.)");
  command->add_flag("--all", options->all, "Revoked ones too");
  add_client_options(*command, options->common);
  command->callback([options, &action] {
    action = [options] {
      return ask_and_print(options->common, Side::Server, "agents", {{"all", options->all}},
                           [options](const json::value& result) { print(result, options->all); });
    };
  });
}

}  // namespace sallyport::cli
