// The program as people and scripts meet it: what it prints, and its exit codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "admin/admin_server.h"
#include "base/file.h"
#include "cli/exit.h"
#include "config/load.h"
#include "edge/audit.h"
#include "enrolment/token.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

struct Outcome {
  int exit = -1;
  std::string out;  // standard output, and standard error after it
};

// Through the shell, as people do.
Outcome shell(const std::string& command) {
  Outcome outcome;
  FILE* pipe = ::popen(("( " + command + " ) 2>&1").c_str(), "r");  // NOLINT(cert-env33-c): a test
  if (pipe == nullptr) return outcome;
  char chunk[4096];
  while (const std::size_t n = std::fread(chunk, 1, sizeof chunk, pipe))
    outcome.out.append(chunk, n);
  const int status = ::pclose(pipe);
  outcome.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

class Program : public testing::Test {
 protected:
  Program() {
    std::string pattern = testing::TempDir() + "sallyport-program-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Program() override { std::filesystem::remove_all(folder_); }

  Outcome run(const std::string& arguments) { return shell(SALLYPORT_PROGRAM " " + arguments); }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream{folder_ + "/" + name} << text;
    return folder_ + "/" + name;
  }
  // While a server listens, of which only these commands are known.
  Outcome run_beside(const std::map<std::string, admin::AdminServer::Handler>& commands,
                     const std::string& arguments) {
    return beside(commands, [&] { return run(arguments + " --socket " + folder_ + "/sock"); });
  }
  Outcome beside(const std::map<std::string, admin::AdminServer::Handler>& commands,
                 const std::function<Outcome()>& work) {
    net::HostNetwork network;
    const auto log = Log::silent();
    admin::AdminServer server{network, *log};
    for (const auto& [name, handler] : commands) server.add(name, handler);
    EXPECT_TRUE(server.listen(network, folder_ + "/sock"));
    std::atomic<bool> done{false};
    Outcome outcome;
    std::thread client{[&] {
      outcome = work();
      done = true;
    }};
    while (!done) network.run_one(milliseconds{20});
    client.join();
    return outcome;
  }

  std::string folder_;
};

TEST_F(Program, EveryCommandHasHelpWithAnExample) {
  EXPECT_EQ(run("--help").exit, kOk);
  EXPECT_THAT(run("--version").out, HasSubstr("sallyport " SALLYPORT_VERSION));
  for (const char* command :
       {"server", "agent", "invite", "join", "revoke", "agents", "registrations", "user add",
        "user list", "user remove", "user unblock", "status", "calls", "carriage", "audit verify",
        "firewall", "config check", "config default", "demo"}) {
    const Outcome help = run(std::string{command} + " --help");
    EXPECT_EQ(help.exit, kOk) << command;
    EXPECT_THAT(help.out, HasSubstr("Example")) << command;
    EXPECT_THAT(help.out, HasSubstr(std::string{"sallyport "} + command)) << command;
  }
}

TEST_F(Program, WrongUsageIsTwo) {
  for (const char* arguments :
       {"", "nonsense", "invite", "invite a b", "user", "carriage a", "carriage a pigeon",
        "firewall --x 0", "firewall --format ascii", "config default --server --agent",
        "invite a --life soon", "invite a --list", "invite --list --withdraw a"})
    EXPECT_EQ(run(arguments).exit, kUsage) << arguments;
}

TEST_F(Program, DefaultFilesPassTheCheck) {
  for (const char* side : {"--server", "--agent"}) {
    const std::string file = folder_ + "/default.toml";
    EXPECT_EQ(run(std::string{"config default "} + side + " > " + file).exit, kOk);
    const Outcome checked = run(std::string{"config check "} + side + " " + file);
    EXPECT_EQ(checked.exit, kOk) << checked.out;
  }
}

TEST_F(Program, AWrongFileIsToldWithItsPlace) {
  const std::string file = write("server.toml", "[multiplex]\nlisten = []\nlisen = []\n");
  for (const char* command : {"config check ", "server --config ", "invite x --config "}) {
    const Outcome outcome = run(command + file);
    EXPECT_EQ(outcome.exit, kUsage) << command;
    EXPECT_EQ(outcome.out,
              file + ":3:1: unknown key 'multiplex.lisen' (did you mean 'multiplex.listen'?)\n");
  }
}

TEST_F(Program, ProblemsOfAFileArePrintedAsJsonToo) {
  const std::string file = write("server.toml", "[multiplex]\nlisten = []\nlisen = []\n");
  const Outcome wrong = run("config check --json " + file);
  EXPECT_EQ(wrong.exit, kUsage);
  const json::object problem = json::parse(wrong.out).at(0).as_object();
  EXPECT_EQ(problem.at("file").as_string(), file);
  EXPECT_EQ(problem.at("line"), 3);
  EXPECT_EQ(problem.at("column"), 1);
  const Outcome good = run("config check --json --server " + write("good.toml", ""));
  EXPECT_EQ(good.exit, kOk);
  EXPECT_EQ(good.out, "[]\n");
}

TEST_F(Program, AFileThatIsNotThereIsNotCalledGood) {
  if (!std::filesystem::exists(config::kAgentFile)) {
    const Outcome usual = run("config check --agent");
    EXPECT_EQ(usual.exit, kOk) << "it works without";
    EXPECT_EQ(usual.out, std::string{config::kAgentFile} +
                             " is not there: an agent's configuration is what the defaults say\n");
  }
  EXPECT_EQ(run("config check " + folder_ + "/none.toml").exit, kUsage);
}

TEST_F(Program, NobodyThereIsThree) {
  for (const char* command :
       {"invite a", "revoke a", "agents", "user list", "calls", "registrations", "status"})
    EXPECT_EQ(run(std::string{command} + " --socket " + folder_ + "/none").exit, kNotRunning)
        << command;
}

TEST_F(Program, WhoIsAskedOnTheWrongHostIsToldWhoRunsThere) {
  const std::string nobody = folder_ + "/none.sock";
  const std::string server = write("server.toml", "admin_socket = \"" + nobody + "\"\n");
  const Outcome alone = run("calls --config " + server);
  EXPECT_EQ(alone.exit, kNotRunning);
  EXPECT_THAT(alone.out, HasSubstr("sallyport: " + nobody + ": nobody listens there\n"));
  EXPECT_THAT(alone.out, HasSubstr("No agent runs on this host either (/"));

  // The environment names one socket for both sides: here the agent's, as the usual file would.
  const Outcome elsewhere = beside({}, [&] {
    return shell("SALLYPORT_ADMIN_SOCKET=" + folder_ +
                 "/sock " SALLYPORT_PROGRAM " calls --set admin_socket=" + nobody);
  });
  EXPECT_EQ(elsewhere.exit, kNotRunning);
  EXPECT_THAT(elsewhere.out, HasSubstr("This host runs the agent (" + folder_ +
                                       "/sock): "
                                       "give this command on the server's host.\n"));
}

TEST_F(Program, ARefusalIsFourAndSaysWhy) {
  const Outcome outcome = run_beside({{"revoke",
                                       [](const json::object& asked, const admin::Reply& reply) {
                                         EXPECT_EQ(admin::text_argument(asked, "name"), "branch");
                                         reply.error(Errc::NotFound, "no such agent");
                                       }}},
                                     "revoke branch");
  EXPECT_EQ(outcome.exit, kRefused);
  EXPECT_EQ(outcome.out, "sallyport: no such agent\n");
}

TEST_F(Program, AnInviteIsALineToBeRun) {
  const auto answer = [](const json::object& asked, const admin::Reply& reply) {
    EXPECT_EQ(admin::text_argument(asked, "name"), "branch");
    EXPECT_EQ(admin::integer_argument(asked, "life_seconds"), 3600);
    reply.ok(json::object{{"token", "sallyport1.abc"}, {"expires", "2026-01-31T12:00:00Z"}});
  };
  const Outcome outcome = run_beside({{"invite", answer}}, "invite branch --life '1 h'");
  EXPECT_EQ(outcome.exit, kOk);
  EXPECT_THAT(outcome.out, HasSubstr("\n  sallyport join sallyport1.abc\n"));
  EXPECT_EQ(json::parse(run_beside({{"invite", answer}}, "invite branch --life 1h --json").out)
                .at("token"),
            "sallyport1.abc");
}

TEST_F(Program, OpenInvitesAreListedAndWithdrawn) {
  const auto invites = [](const json::object&, const admin::Reply& reply) {
    reply.ok(json::array{{{"name", "branch"}, {"expires", "2000-01-31T12:00:00Z"}}});
  };
  const auto withdraw = [](const json::object& asked, const admin::Reply& reply) {
    reply.ok(json::object{{"name", admin::text_argument(asked, "name")}});
  };
  EXPECT_THAT(run_beside({{"invites", invites}}, "invite --list").out,
              HasSubstr("branch  2000-01"));
  EXPECT_THAT(run_beside({{"withdraw", withdraw}}, "invite --withdraw branch").out,
              HasSubstr("The invitation of branch is withdrawn"));
}

TEST_F(Program, AgentsFitALineAndSayWhatIsWrong) {
  const auto agents = [](const json::object&, const admin::Reply& reply) {
    reply.ok(json::array{{{"id", 1},
                          {"name", "branch"},
                          {"connected", true},
                          {"software", "0.1.0"},
                          {"media_tls_connections", 1},
                          {"carriage", "tagged"},
                          {"media_encrypted", true},
                          {"round_trip_ms", 12.3456},
                          {"remote", "192.0.2.1:40000"},
                          {"way", "direct"},
                          {"media", "not confirmed"},
                          {"media_problem", "no answer from X"},
                          {"bandwidth", 174'400},
                          {"bandwidth_limit", 2'000'000},
                          {"revoked", nullptr}},
                         {{"id", 2}, {"name", "office"}, {"connected", false}}});
  };
  const std::string out = run_beside({{"agents", agents}}, "agents").out;
  EXPECT_THAT(out, HasSubstr("branch  yes        192.0.2.1:40000  direct  12.3 ms     "
                             "not confirmed, encrypted, by TLS  174 kbit/s of 2 Mbit/s\n"));
  EXPECT_THAT(out, HasSubstr("office  no         -"));
  EXPECT_THAT(out, HasSubstr("\n\nbranch: media: no answer from X\n"));
}

TEST_F(Program, PasswordsComeFromStandardInputOnly) {
  std::string heard;
  const auto answer = [&heard](const json::object& asked, const admin::Reply& reply) {
    heard = admin::text_argument(asked, "name") + "/" + admin::text_argument(asked, "domain") +
            "/" + admin::text_argument(asked, "password");
    reply.ok(json::object{{"name", "alice"}, {"domain", "example.org"}});
  };
  const std::string password = write("password", "s3 cret\r\nmore\n");
  const Outcome outcome = run_beside({{"user.add", answer}},
                                     "user add alice@example.org --password-stdin < " + password);
  EXPECT_EQ(outcome.exit, kOk) << outcome.out;
  EXPECT_EQ(heard, "alice/example.org/s3 cret");
  EXPECT_THAT(outcome.out, Not(HasSubstr("s3")));

  EXPECT_EQ(run("user add alice@example.org s3cret").exit, kUsage);
  EXPECT_EQ(run("user add alice@example.org < /dev/null").exit, kUsage);
  EXPECT_EQ(run("user add alice@example.org --password-stdin < /dev/null").exit, kUsage);
}

TEST_F(Program, TextOfStrangersCannotCommandTheTerminal) {
  const Outcome outcome =
      run_beside({{"calls",
                   [](const json::object&, const admin::Reply& reply) {
                     reply.ok(json::array{{{"from", "sip:\x1b[2J@example.org"}}});
                   }}},
                 "calls");
  EXPECT_EQ(outcome.out, "FROM\nsip:?[2J@example.org\n");
}

TEST_F(Program, ATokenThatIsNoneIsToldFromOneThatNobodyAnswers) {
  const std::string file = write("agent.toml", "state_dir = \"" + folder_ + "/state\"\n");
  EXPECT_EQ(run("join nonsense --config " + file).exit, kUsage);
  enrolment::Token token;
  token.servers = {{"127.0.0.1", 1}};
  const Outcome outcome = run("join " + enrolment::encode(token) + " --config " + file);
  EXPECT_EQ(outcome.exit, kFailure);
  EXPECT_THAT(outcome.out, HasSubstr("not joined: 127.0.0.1:1: "));
  EXPECT_THAT(outcome.out, Not(HasSubstr("; "))) << "there was one server to try";
  EXPECT_EQ(shell("echo nonsense | " SALLYPORT_PROGRAM " join - --config " + file).exit, kUsage);
}

// A limit on the file's size fails writes as a full disk does.
TEST_F(Program, AFullDiskIsToldBeforeATokenIsUsed) {
  const std::string file = write("agent.toml", "state_dir = \"" + folder_ + "/state\"\n");
  enrolment::Token token;
  token.servers = {{"127.0.0.1", 1}};
  const Outcome outcome = shell("trap '' XFSZ; ulimit -f 1; " SALLYPORT_PROGRAM " join " +
                                enrolment::encode(token) + " --config " + file);
  EXPECT_EQ(outcome.exit, kFailure);
  EXPECT_THAT(outcome.out, HasSubstr("the token was not used"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/state"));
}

TEST_F(Program, AnAuditLogThatWasCutOffIsTold) {
  const std::string file = folder_ + "/audit.jsonl";
  std::string hash;
  {
    auto audit = edge::Audit::open(file, [] { return WallTime{}; });
    ASSERT_TRUE(audit);
    (*audit)->record("server", "listen", "x", 1, "done");
    (*audit)->record("server", "listen", "y", 2, "done");
    hash = (*audit)->last_hash();
  }
  EXPECT_EQ(run("audit verify " + file + " --known " + hash).exit, kOk);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  EXPECT_EQ(run("audit verify " + file).exit, kOk) << "what is left is whole";
  const Outcome outcome = run("audit verify " + file + " --known " + hash);
  EXPECT_EQ(outcome.exit, kFailure);
  EXPECT_EQ(outcome.out,
            file + ": a line that was written is not there: the log was cut off or replaced\n");
}

TEST_F(Program, AMissingAuditLogIsAFailure) {
  EXPECT_EQ(run("audit verify " + folder_ + "/none").exit, kFailure);
  const std::string config = write("agent.toml", "state_dir = \"" + folder_ + "/state\"\n");
  const Outcome none = run("audit verify --config " + config);
  EXPECT_EQ(none.exit, kFailure);
  EXPECT_EQ(none.out, "sallyport: no audit log on this host: not " + folder_ +
                          "/state/agent-audit.jsonl of the agent, nor " + folder_ +
                          "/state/server-audit.jsonl of the server\n");
}

TEST_F(Program, AServersHostNeedsNoWordToHaveItsAuditLogChecked) {
  std::filesystem::create_directory(folder_ + "/state");
  const std::string config = write("server.toml", "state_dir = \"" + folder_ + "/state\"\n");
  const std::string file = folder_ + "/state/server-audit.jsonl";
  ASSERT_TRUE(edge::Audit::open(file, [] { return WallTime{}; }));
  const Outcome outcome = run("audit verify --config " + config);
  EXPECT_EQ(outcome.exit, kOk);
  EXPECT_EQ(outcome.out, file + ": 0 lines, whole\n");
}

TEST_F(Program, FirewallRulesCanBeLoaded) {
  // In a network namespace of its own, and only checked.
  const std::string nft = "unshare --net nft -c -f -";
  if (shell("echo | " + nft).exit != 0) GTEST_SKIP() << "needs root, and nft";
  const std::string server = write("server.toml", "[address]\nadvertised = [\"203.0.113.7\"]\n");
  const std::string many =
      "--server-address 203.0.113.7 --server-address '[2001:db8::7]:443' "
      "--agent-address 10.1.1.0/24 --agent-address 2001:db8:1::/64";
  for (const std::string& arguments :
       {"firewall " + many, "firewall --drop " + many, "firewall --drop --y 2776 " + many,
        std::string{"firewall --server-address 203.0.113.7"},
        "firewall --server --config " + server, "firewall --server --drop --config " + server}) {
    const Outcome printed = run(arguments);
    EXPECT_EQ(printed.exit, kOk) << printed.out;
    const Outcome loaded = shell(SALLYPORT_PROGRAM " " + arguments + " | " + nft);
    EXPECT_EQ(loaded.exit, 0) << arguments << "\n" << loaded.out;
  }
}

TEST_F(Program, FirewallRulesDoTheirWorkWhereOthersAreAndWhereNoneAre) {
  if (shell("unshare --net nft list ruleset").exit != 0) GTEST_SKIP() << "needs root, and nft";
  const std::string usual = write("usual.nft",
                                  "table inet filter {\n"
                                  "  chain forward {\n"
                                  "    type filter hook forward priority filter; policy drop;\n"
                                  "    reject\n"
                                  "  }\n"
                                  "}\n");
  const auto chain_after = [&](const std::string& before) {
    const Outcome outcome = shell("unshare --net sh -ec '" + before +
                                  SALLYPORT_PROGRAM
                                  " firewall --server-address 203.0.113.7 | nft -f -; "
                                  "nft list chain inet filter forward'");
    EXPECT_EQ(outcome.exit, 0) << outcome.out;
    return outcome.out;
  };
  const std::string alone = chain_after("");
  EXPECT_THAT(alone, HasSubstr("type filter hook forward priority filter; policy accept;"));
  const std::string beside = chain_after("nft -f " + usual + "; ");
  EXPECT_THAT(beside, HasSubstr("type filter hook forward priority filter; policy drop;"));
  for (const std::string& chain : {alone, beside}) {
    const std::size_t first = chain.find("ip daddr 203.0.113.7 tcp dport 2776 accept");
    const std::size_t last = chain.find("ip saddr 203.0.113.7 udp sport 2777 accept");
    EXPECT_LT(first, last) << "in the order of Table 1: " << chain;
    EXPECT_NE(last, std::string::npos) << chain;
  }
  EXPECT_LT(beside.find("udp sport 2777 accept"), beside.find("reject"));
}

TEST_F(Program, FirewallRulesArePrintedAsJsonToo) {
  const json::array rules =
      json::parse(run("firewall --json --server-address 203.0.113.7 --agent-address 10.1.1.5").out)
          .as_array();
  ASSERT_EQ(rules.size(), 6U) << "Table 1";
  EXPECT_EQ(rules[0], (json::object{{"direction", "out"},
                                    {"protocol", "tcp"},
                                    {"from", "10.1.1.5/32"},
                                    {"to", "203.0.113.7"},
                                    {"to_port", 2776}}));
  EXPECT_EQ(rules[5], (json::object{{"direction", "in"},
                                    {"protocol", "udp"},
                                    {"from", "203.0.113.7"},
                                    {"to", "10.1.1.5/32"},
                                    {"from_port", 2777}}));
  const json::value server =
      json::parse(run("firewall --server --json --config " + write("server.toml", "")).out);
  EXPECT_EQ(
      server.at(0),
      (json::object{
          {"direction", "in"}, {"protocol", "tcp"}, {"to_port", "2776"}, {"what", "Z: agents"}}));
}

TEST_F(Program, FirewallFindsTheServerOfThisHost) {
  const std::string server =
      write("server.toml", "state_dir = \"" + folder_ +
                               "\"\n"
                               "media.x = 3000\nmedia.y = 3000\nmultiplex.listen = "
                               "[\"0.0.0.0:443\"]\naddress.advertised = [\"203.0.113.7\"]\n");
  const Outcome outcome = run("firewall --config " + server);
  EXPECT_EQ(outcome.exit, kOk);
  EXPECT_THAT(outcome.out, HasSubstr("ip daddr 203.0.113.7 tcp dport 443 accept"));
  EXPECT_THAT(outcome.out, HasSubstr("udp dport 3000 accept"));
  EXPECT_EQ(run("firewall --config " + write("agent.toml", "")).exit, kUsage);
}

}  // namespace
}  // namespace sallyport::cli
