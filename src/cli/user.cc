// sallyport user add|list|remove|unblock: who may register. The password is asked for, or read from
// standard input; never from the command line, where every process of the host can read it.
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <memory>

#include "cli/command.h"
#include "cli/print.h"

namespace sallyport::cli {
namespace {

struct Options {
  Common common;
  std::string user;
  std::string login;
  bool password_stdin = false;
};

// Nothing typed is shown while this lives.
class Silence {
 public:
  Silence() {
    shown_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!shown_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() {
    if (shown_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }

 private:
  termios before_{};
  bool shown_ = false;
};

std::optional<std::string> ask_password(const char* prompt) {
  const Silence silence;
  std::fputs(prompt, stderr);
  std::string out;
  const bool read = static_cast<bool>(std::getline(std::cin, out));
  std::fputs("\n", stderr);
  if (!read) return std::nullopt;
  return out;
}

std::optional<std::string> read_password(const Options& options) {
  if (options.password_stdin) {
    std::string out;
    if (!std::getline(std::cin, out)) return std::nullopt;
    if (out.ends_with('\r')) out.pop_back();
    return out;
  }
  if (::isatty(STDIN_FILENO) == 0) {
    std::fputs("sallyport: no terminal to ask on; use --password-stdin\n", stderr);
    return std::nullopt;
  }
  auto first = ask_password("Password: ");
  if (!first) return std::nullopt;
  const auto again = ask_password("Again: ");
  if (!again || *first != *again) {
    std::fputs("sallyport: the two differ\n", stderr);
    return std::nullopt;
  }
  return first;
}

// "alice@example.org" as name and domain; without a domain the server takes its default one.
boost::json::object who(const Options& options) {
  const std::size_t at = options.user.rfind('@');
  boost::json::object out{{"name", options.user.substr(0, at)}};
  if (at != std::string::npos) out["domain"] = options.user.substr(at + 1);
  if (!options.login.empty()) out["login"] = options.login;
  return out;
}

int add(const Options& options) {
  const auto password = read_password(options);
  if (!password) return kUsage;
  if (password->empty()) {
    std::fputs("sallyport: an empty password lets everybody in\n", stderr);
    return kUsage;
  }
  boost::json::object arguments = who(options);
  arguments["password"] = *password;
  return ask_and_print(
      options.common, Side::Server, "user.add", arguments, [](const boost::json::value& result) {
        const auto* warning = result.as_object().if_contains("warning");
        if (warning != nullptr) return fmt::print(stderr, "sallyport: {}.\n", cell(*warning));
        fmt::print("{}@{} may register.\n", cell(result.at("name")), cell(result.at("domain")));
      });
}

}  // namespace

void add_user(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* user = app.add_subcommand("user", "Add, list or remove who may register");
  user->require_subcommand(1);

  CLI::App* command = user->add_subcommand("add", "Add a user, or change the password");
  command->footer(R"(Examples:
  sallyport user add alice@example.org                  # asks for the password
  sallyport user add alice@example.org --password-stdin < file
  sallyport user add 4420@pbx.example.net --login branch --password-stdin < file

The server keeps digest hashes, never the password. A domain that it does not serve is refused,
unless a relayed one is configured, whose registrar may have a realm of any name. For a domain whose registrations are relayed,
the user's credentials are those with which the server answers the upstream registrar.

Phones of the user that are refused for a while after wrong passwords may try again at once.)");
  command->add_option("USER", options->user, "NAME or NAME@DOMAIN")->required();
  command->add_option("--login", options->login, "Name in the digest, if it is another one")
      ->type_name("NAME");
  command->add_flag("--password-stdin", options->password_stdin,
                    "Read the password from standard input, one line");
  add_client_options(*command, options->common);
  command->callback([options, &action] { action = [options] { return add(*options); }; });

  command = user->add_subcommand("list", "List users");
  command->footer("Example:\n  sallyport user list --json");
  add_client_options(*command, options->common);
  command->callback([options, &action] {
    action = [options] {
      return ask_and_print(
          options->common, Side::Server, "user.list", {},
          [](const boost::json::value& result) { fmt::print("{}", table(result, "no users\n")); });
    };
  });

  command = user->add_subcommand("remove", "Remove a user");
  command->footer("Example:\n  sallyport user remove alice@example.org");
  command->add_option("USER", options->user, "NAME or NAME@DOMAIN")->required();
  add_client_options(*command, options->common);
  command->callback([options, &action] {
    action = [options] {
      return ask_and_print(options->common, Side::Server, "user.remove", who(*options),
                           [](const boost::json::value& result) {
                             fmt::print("{}@{} is removed.\n", cell(result.at("name")),
                                        cell(result.at("domain")));
                           });
    };
  });

  command = user->add_subcommand("unblock", "Let phones try again at once after wrong passwords");
  command->footer("Example:\n  sallyport user unblock alice@example.org");
  command->add_option("USER", options->user, "NAME or NAME@DOMAIN")->required();
  add_client_options(*command, options->common);
  command->callback([options, &action] {
    action = [options] {
      return ask_and_print(options->common, Side::Server, "user.unblock", who(*options),
                           [](const boost::json::value& result) {
                             fmt::print("{}@{} {}.\n", cell(result.at("name")),
                                        cell(result.at("domain")),
                                        result.at("was_blocked").as_bool()
                                            ? "may register again"
                                            : "was not refused after wrong passwords");
                           });
    };
  });
}

}  // namespace sallyport::cli
