// The sallyport program: chooses a subcommand, and exits with what it says.
#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/command.h"

namespace sallyport::cli {
namespace {

constexpr const char* kFooter = R"(
A server and its first agent:
  server$ sallyport server                  # or: systemctl start sallyport-server
  server$ sallyport invite branch           # prints a line with a token
  agent$  sallyport join TOKEN              # that line
  agent$  sallyport agent                   # or: systemctl start sallyport-agent

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not running, 4 refused by the server
or agent, 5 not allowed (try as root).)";

int run(int argc, char** argv) {
  CLI::App app{"Carries real-time calls through NATs and firewalls that nobody touches.",
               "sallyport"};
  app.set_version_flag("--version", "sallyport " SALLYPORT_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  Action action;
  add_server(app, action);
  add_agent(app, action);
  add_invite(app, action);
  add_join(app, action);
  add_revoke(app, action);
  add_agents(app, action);
  add_user(app, action);
  add_status(app, action);
  add_calls(app, action);
  add_carriage(app, action);
  add_registrations(app, action);
  add_audit(app, action);
  add_firewall(app, action);
  add_config(app, action);
  add_demo(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;  // 0: --help and --version
  }
  return action ? action() : kUsage;
}

}  // namespace
}  // namespace sallyport::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return sallyport::cli::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sallyport: %s\n", error.what());
    return sallyport::cli::kFailure;
  }
}
