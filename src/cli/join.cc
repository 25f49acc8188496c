// sallyport join TOKEN: makes this host an agent of the server that printed the token.
#include "agent/join.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>

#include "agent/http_proxy.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/print.h"
#include "net/host_network.h"

namespace sallyport::cli {
namespace {

struct Options {
  Common common;
  std::string token;
  bool replace = false;
};

int exit_of(agent::JoinFailure failure) {
  return failure == agent::JoinFailure::Refused ? kRefused : kFailure;
}

// Root joins for the service: the file belongs to whoever the state folder belongs to.
void give_to_service(const std::string& state_dir) {
  struct stat folder {};
  if (::geteuid() != 0 || ::stat(state_dir.c_str(), &folder) != 0) return;
  if (::chown(agent::identity_file(state_dir).c_str(), folder.st_uid, folder.st_gid) != 0)
    std::perror("sallyport: the identity file's owner");
}

void print(const Options& options, const agent::Identity& identity, const std::string& file) {
  if (options.common.json) {
    boost::json::array servers;
    for (const HostPort& server : identity.site.servers) servers.emplace_back(server.to_string());
    const boost::json::object out{{"id", identity.id.value},
                                  {"name", identity.name},
                                  {"servers", std::move(servers)},
                                  {"file", file}};
    fmt::print("{}\n", boost::json::serialize(out));
    return;
  }
  std::string servers;
  for (const HostPort& server : identity.site.servers)
    servers += (servers.empty() ? "" : ", ") + server.to_string();
  fmt::print(
      "This host is agent {} of {}.\n\n"
      "Start it:      systemctl enable --now sallyport-agent    (or: sallyport agent)\n"
      "Its firewall:  sallyport firewall\n",
      printable(identity.name), printable(servers));
}

int join(const Options& options) {
  const auto loaded = config::load_agent(options.common.sources());
  if (!loaded.ok()) {
    print_problems(loaded.problems);
    return kUsage;
  }
  const std::string& state_dir = loaded.config.state_dir;
  const std::string file = agent::identity_file(state_dir);
  if (const auto before = agent::load_identity(state_dir); before && !options.replace) {
    fmt::print(stderr,
               "sallyport: this host is agent {} already ({}); --replace makes it another\n",
               printable(before->name), file);
    return kFailure;
  }
  std::string text = options.token;
  if (text == "-") text.assign(std::istreambuf_iterator<char>{std::cin}, {});
  const auto token = enrolment::parse_token(text);
  if (!token) {
    fmt::print(stderr, "sallyport: {}\n", token.error().what);
    return kUsage;
  }
  // Before the token is used up: can its result be kept?
  if (!make_folder(state_dir) || ::access(state_dir.c_str(), W_OK) != 0) {
    fmt::print(stderr, "sallyport: {}: this folder cannot be written; try as root\n", state_dir);
    return kForbidden;
  }
  if (const auto room = agent::try_saving(state_dir); !room) {
    fmt::print(stderr, "sallyport: {}: {}; the token was not used\n", state_dir, room.error().what);
    return kFailure;
  }

  const auto proxy = agent::configured_proxy(loaded.config);
  if (!proxy) {
    fmt::print(stderr, "sallyport: {}: {}\n", loaded.config.multiplex.proxy_password_file,
               proxy.error().what);
    return kFailure;
  }

  net::HostNetwork network;
  std::optional<Result<agent::Identity>> result;
  agent::Join::Failure failure;
  agent::Join attempt{network, *token, *proxy,
                      [&](Result<agent::Identity> identity, const agent::Join::Failure& why) {
                        result = std::move(identity);
                        failure = why;
                        network.stop();
                      }};
  network.run();
  if (!result || !*result) {
    fmt::print(stderr, "sallyport: not joined: {}\n", printable(failure.what));
    return exit_of(failure.kind);
  }
  if (const auto saved = agent::save_identity(state_dir, **result); !saved) {
    fmt::print(stderr, "sallyport: {}: {}\n", file, saved.error().what);
    return kFailure;
  }
  give_to_service(state_dir);
  print(options, **result, file);
  return kOk;
}

}  // namespace

void add_join(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("join", "Make this host an agent: run what invite printed");
  command->footer(R"(Examples:
  sallyport join sallyport1.AQAA...
  sallyport join - < file-with-the-token

The agent's key is made here and never leaves. Exits with 4 when the server refuses the token.)");
  command->add_option("TOKEN", options->token, "The token; - reads it from standard input")
      ->required();
  command->add_flag("--replace", options->replace, "Although this host is an agent already");
  add_config_options(*command, options->common);
  command->add_flag("--json", options->common.json, "Print JSON");
  command->callback([options, &action] { action = [options] { return join(*options); }; });
}

}  // namespace sallyport::cli
