// What the subcommands of `sallyport` share: the options that most of them have, asking
// a running server or agent, and printing what it says.
#pragma once

#include <CLI/CLI.hpp>
#include <boost/json/fwd.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/exit.h"
#include "config/load.h"

namespace sallyport::cli {

// Runs when its subcommand was chosen; returns an exit code.
using Action = std::function<int()>;

struct Common {
  std::string config_file;            // --config
  std::vector<std::string> settings;  // --set KEY=VALUE
  std::string socket;                 // --socket
  bool json = false;                  // --json

  config::Sources sources() const;
};

// Each adds its subcommand; `action` is set when it is chosen. One file each.
void add_server(CLI::App& app, Action& action);
void add_agent(CLI::App& app, Action& action);
void add_invite(CLI::App& app, Action& action);
void add_join(CLI::App& app, Action& action);
void add_revoke(CLI::App& app, Action& action);
void add_agents(CLI::App& app, Action& action);
void add_user(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_calls(CLI::App& app, Action& action);
void add_carriage(CLI::App& app, Action& action);
void add_registrations(CLI::App& app, Action& action);
void add_audit(CLI::App& app, Action& action);
void add_firewall(CLI::App& app, Action& action);
void add_demo(CLI::App& app, Action& action);
void add_config(CLI::App& app, Action& action);

void add_config_options(CLI::App& command, Common& common);  // --config, --set
void add_client_options(CLI::App& command, Common& common);  // these, --socket and --json

// Problems of a configuration, a line each on standard error.
void print_problems(const config::Problems& problems);

enum class Side : std::uint8_t { Server, Agent };
constexpr const char* name(Side side) { return side == Side::Server ? "server" : "agent"; }

// The admin socket: --socket, or the configuration's. Nothing, with the problems told, if that is
// wrong.
std::optional<std::string> admin_socket(const Common& common, Side side);

// Whether somebody listens at that side's configured admin socket, whoever may ask there.
bool runs_here(const Common& common, Side side);

// Asks, and on success gives the result to `print` (or prints it as JSON with --json). What goes
// wrong is told on standard error; where nobody listens, also who else runs on this host.
int ask_and_print(const Common& common, Side side, const std::string& command,
                  const boost::json::object& arguments,
                  const std::function<void(const boost::json::value&)>& print);

}  // namespace sallyport::cli
