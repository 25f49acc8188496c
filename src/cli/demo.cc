// sallyport demo: runs Figure 1 on this host, in network namespaces. The scene is a program of its
// own, installed beside this one; here it is found and started.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "cli/command.h"

namespace sallyport::cli {
namespace {

// Installed as PREFIX/bin/sallyport the demo is PREFIX/share/sallyport/demo; in a source tree it is
// tests/netns, above the build folder.
std::filesystem::path find_demo(const std::filesystem::path& self) {
  std::error_code error;
  auto installed = self.parent_path().parent_path() / "share" / "sallyport" / "demo" / "run_demo";
  if (std::filesystem::exists(installed, error)) return installed;
  for (auto folder = self.parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    auto in_tree = folder / "tests" / "netns" / "run_demo";
    if (std::filesystem::exists(in_tree, error)) return in_tree;
  }
  return {};
}

int run_demo(std::vector<std::string> arguments) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string demo = find_demo(self);
  if (demo.empty()) {
    std::fputs("sallyport: the demo is not installed (share/sallyport/demo)\n", stderr);
    return kFailure;
  }
  ::setenv("NETNS_SALLYPORT", self.c_str(), 0);              // the program that it shows
  std::vector<char*> argv{const_cast<char*>(demo.c_str())};  // execv's type; it changes nothing
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(demo.c_str(), argv.data());
  std::fprintf(stderr, "sallyport: %s: %s\n", demo.c_str(), std::strerror(errno));
  return kFailure;
}

}  // namespace

void add_demo(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("demo", "Play a call between two private networks, here");
  command->footer(R"(Example:
  sallyport demo

Builds two private networks with the same addresses, each behind a NAT and a firewall, a public
network with a server, and two phones that call each other; tells what happens, and leaves nothing
behind.)");
  command->prefix_command();  // what follows is the demo's
  command->callback(
      [command, &action] { action = [command] { return run_demo(command->remaining()); }; });
}

}  // namespace sallyport::cli
