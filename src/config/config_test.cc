#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/file.h"
#include "config/load.h"

namespace sallyport::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A folder of its own for each test, gone afterwards.
class Config : public testing::Test {
 protected:
  Config() {
    std::string pattern = testing::TempDir() + "sallyport-config-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Config() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& text) {
    std::string path = folder_ + "/a.toml";
    std::ofstream{path} << text;
    return path;
  }
  // What the problems of a file say, without the folder's name.
  template <typename Load>
  std::vector<std::string> problems_of(Load load, const std::string& text) {
    std::vector<std::string> out;
    for (const Problem& problem : load({write(text), {}, {}}).problems) {
      EXPECT_THAT(problem.to_string(), testing::StartsWith(folder_ + "/"));
      out.push_back(problem.to_string().substr(folder_.size() + 1));
    }
    return out;
  }
  std::vector<std::string> server_problems(const std::string& text) {
    return problems_of(load_server, text);
  }

  std::string folder_;
};

TEST_F(Config, NeedsNoFile) {
  const auto loaded = load_server({});
  EXPECT_TRUE(loaded.ok());
  EXPECT_EQ(loaded.config.media.x, 2776);
  EXPECT_TRUE(load_agent({}).ok());
}

TEST_F(Config, NamedFileMustExist) {
  const auto loaded = load_server({folder_ + "/none.toml", {}, {}});
  ASSERT_EQ(loaded.problems.size(), 1U);
  EXPECT_THAT(loaded.problems[0].to_string(), HasSubstr("none.toml: cannot be read: No such file"));
}

TEST_F(Config, DefaultFilesAreReadBackAsTheDefaults) {
  const auto server = load_server({write(default_server_file()), {}, {}});
  EXPECT_THAT(server.problems, IsEmpty());
  ServerConfig copy = server.config;
  ServerConfig defaults;
  EXPECT_EQ(describe(copy).to_toml(), describe(defaults).to_toml());

  const auto agent = load_agent({write(default_agent_file()), {}, {}});
  EXPECT_THAT(agent.problems, IsEmpty());
  AgentConfig agent_copy = agent.config;
  AgentConfig agent_defaults;
  EXPECT_EQ(describe(agent_copy).to_toml(), describe(agent_defaults).to_toml());
}

TEST_F(Config, DefaultFilesArePackagedAsTheyAre) {
  // After a change: sallyport config default --server > packaging/server.toml, and --agent.
  const std::string packaging = SALLYPORT_SOURCE_DIR "/packaging/";
  EXPECT_EQ(read_file(packaging + "server.toml").value_or(""), default_server_file());
  EXPECT_EQ(read_file(packaging + "agent.toml").value_or(""), default_agent_file());
}

TEST_F(Config, DefaultFilesExamplesAreReadOnceTheyAreUncommented) {
  std::string text;
  std::istringstream lines{default_server_file()};
  for (std::string line; std::getline(lines, line);) {
    const bool example = line.starts_with("#") && !line.starts_with("# ") && line.size() > 1;
    text += (example ? line.substr(1) : line) + "\n";
  }
  const auto loaded = load_server({write(text), {}, {}});
  for (const Problem& problem : loaded.problems) ADD_FAILURE() << problem.to_string();
  ASSERT_EQ(loaded.config.sip.relay.size(), 1U);
  EXPECT_EQ(loaded.config.sip.relay.begin()->second.registrar.to_string(), "pbx.example.net");
  ASSERT_EQ(loaded.config.sip.routes.size(), 1U);
  ASSERT_EQ(loaded.config.sip.routes[0].targets.size(), 1U);
  EXPECT_EQ(loaded.config.sip.routes[0].targets[0].to_string(), "provider.example.com");
}

TEST_F(Config, EveryKeyHasAMeaningAndItsOwnNameInTheEnvironment) {
  ServerConfig server;
  AgentConfig agent;
  for (const Schema& schema : {describe(server), describe(agent)}) {
    std::map<std::string, std::string> names;
    for (const Key& key : schema.keys()) {
      EXPECT_GT(key.comment.size(), 10U) << key.path;
      EXPECT_TRUE(names.emplace(environment_name(key.path), key.path).second) << key.path;
    }
  }
}

TEST_F(Config, UnknownKeysAreToldWithTheirPlaceAndTheNearestKey) {
  EXPECT_THAT(server_problems("state_dri = \"/x\"\n\n[media]\nx = 2776\n  keepaliv = \"10 s\"\n"),
              ElementsAre("a.toml:1:1: unknown key 'state_dri' (did you mean 'state_dir'?)",
                          "a.toml:5:3: unknown key 'media.keepaliv' (did you mean "
                          "'media.keepalive'?)"));
  EXPECT_THAT(server_problems("[medai]\nx = 1\n"),
              ElementsAre("a.toml:1:2: unknown key 'medai' (did you mean 'media'?)"));
  EXPECT_THAT(server_problems("[media]\nadvertised = []\n"),
              ElementsAre("a.toml:2:1: unknown key 'media.advertised' (did you mean "
                          "'address.advertised'?)"));
  EXPECT_THAT(server_problems("wholly_elsewhere = 1\n"),
              ElementsAre("a.toml:1:1: unknown key 'wholly_elsewhere'"));
}

TEST_F(Config, UnknownKeysInsideTablesOfTablesAreToldToo) {
  EXPECT_THAT(server_problems("[sip.relay.\"pbx.example.net\"]\nregistrar = \"pbx.example.net\"\n"
                              "transprot = \"tcp\"\n"),
              ElementsAre("a.toml:3:1: unknown key 'transprot' (did you mean 'transport'?)"));
  EXPECT_THAT(
      server_problems("[[sip.routes]]\ntargets = [\"a.example:5060\"]\ntransport = \"sctp\"\n"),
      ElementsAre("a.toml:3:13: transport: \"sctp\": not one of \"udp\", \"tcp\", \"tls\""));
}

TEST_F(Config, WrongTypesAndRangesAreToldWithTheirPlace) {
  EXPECT_THAT(
      server_problems("[media]\nx = \"2776\"\ny = 65536\nkeepalive = 10\n"
                      "[media.outside]\nports = \"39999-30000\"\n"
                      "[session]\nreplay = \"1 MB\"\ndead_after = \"1 fortnight\"\n"
                      "[sip]\nlisten = [\"udp:0.0.0.0:5060\", 5, \"sctp:0.0.0.0:1\"]\n"
                      "enabled = 1\n"),
      ElementsAre(
          "a.toml:2:5: media.x: expected an integer, found a string",
          "a.toml:3:5: media.y: 65536 is not in 1 to 65535",
          "a.toml:4:13: media.keepalive: expected a duration such as \"15 s\", found an integer",
          "a.toml:6:9: media.outside.ports: \"39999-30000\": not a range of ports such as "
          "\"30000-39999\"",
          "a.toml:8:10: session.replay: \"1 MB\": not a number of bytes; units are B, KiB, MiB, "
          "GiB",
          "a.toml:9:14: session.dead_after: \"1 fortnight\": not a duration; units are ms, s, "
          "min, h, d",
          "a.toml:11:31: sip.listen: expected a transport and address, found an integer",
          "a.toml:11:34: sip.listen: \"sctp:0.0.0.0:1\": not a transport and address such as "
          "\"udp:0.0.0.0:5060\"",
          "a.toml:12:11: sip.enabled: expected true or false, found an integer"));
  EXPECT_THAT(server_problems("media = 5\n"),
              ElementsAre("a.toml:1:9: media: expected a table, found an integer"));
  EXPECT_THAT(server_problems("state_dir = 1979-05-27\n"),
              ElementsAre("a.toml:1:13: state_dir: expected a string, found a date or time"));
}

TEST_F(Config, SyntaxErrorsAreToldWithTheirPlace) {
  const auto problems = server_problems("[media]\nx = = 5\n");
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems[0], testing::StartsWith("a.toml:2:5: "));
}

TEST_F(Config, ContradictionsAreToldAtTheKeyThatMakesThem) {
  EXPECT_THAT(
      server_problems("[address]\nadvertised = [\"192.168.1.2\"]\n"),
      ElementsAre("a.toml:2:14: address.advertised: 192.168.1.2 cannot be reached from the public "
                  "network; set address.allow_private_advertised = true if that is meant"));
  EXPECT_THAT(server_problems("[address]\nadvertised = [\"192.168.1.2\"]\n"
                              "allow_private_advertised = true\n"),
              IsEmpty());
  EXPECT_THAT(server_problems("[media]\nx = 30001\n"),
              ElementsAre("a.toml:2:5: media.x: lies in media.outside.ports"));
  EXPECT_THAT(server_problems("[control]\nmodes = [\"server_master\", \"agent_master\"]\n"),
              ElementsAre("a.toml:2:9: control.modes: this version knows \"server_master\" only"));
  EXPECT_THAT(server_problems("[sip]\nmin_expires = \"2 h\"\n"),
              ElementsAre("a.toml:2:15: sip.min_expires: greater than sip.max_expires"));
  EXPECT_THAT(server_problems("[sip]\nlisten = [\"tls:0.0.0.0:5061\"]\n"),
              ElementsAre("a.toml:2:10: sip.listen: tls: needs tls.certificate_file and "
                          "tls.key_file"));
}

TEST_F(Config, EnvironmentOverridesTheFileAndFlagsOverrideBoth) {
  const std::string file = write("[media]\nx = 1001\ny = 1002\n[sip]\ndomains = [\"a.example\"]\n");
  const auto loaded = load_server(
      {file,
       {{"SALLYPORT_MEDIA_Y", "2002"}, {"SALLYPORT_SIP_DOMAINS", "b.example, c.example"}},
       {"media.y=3002", "log.level=debug"}});
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.media.x, 1001);
  EXPECT_EQ(loaded.config.media.y, 3002);
  EXPECT_THAT(loaded.config.sip.domains, ElementsAre("b.example", "c.example"));
  EXPECT_EQ(loaded.config.log.level, Level::Debug);
}

TEST_F(Config, UnknownEnvironmentAndFlagsAreRefused) {
  const auto loaded = load_server({write(""),
                                   {{"SALLYPORT_MEDIA_XX", "1"},
                                    {"SALLYPORT_POLICY_MAX_SOCKETS", "5"},
                                    {"SALLYPORT_OF_SOMEONE_ELSE", "1"}},
                                   {"media.xx=1", "media.x", "media.x=yes"}});
  std::vector<std::string> told;
  for (const Problem& problem : loaded.problems) told.push_back(problem.to_string());
  // policy.max_sockets is a key of the agent's, whose environment this may be as well.
  EXPECT_THAT(
      told,
      ElementsAre("environment SALLYPORT_MEDIA_XX: no such key (did you mean SALLYPORT_MEDIA_X?)",
                  "--set media.xx: unknown key 'media.xx' (did you mean 'media.x'?)",
                  "--set media.x: not KEY=VALUE",
                  "--set media.x: media.x: expected an integer, found a string"));
}

TEST_F(Config, AListInAFileReplacesTheDefault) {
  const auto loaded = load_agent({write("[policy]\nterminals = [\"198.51.100.0/24\"]\n"), {}, {}});
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.config.policy.terminals, ElementsAre(*IpRange::parse("198.51.100.0/24")));
}

TEST_F(Config, WhatRoutesAndRelaysNameByAddressIsAnUpstreamTooAndNamesAreNot) {
  const auto loaded = load_server(
      {write("[limits]\nupstreams = [\"203.0.113.0/28\"]\n[sip.relay.\"pbx.example.net\"]\n"
             "registrar = \"198.51.100.7:5080\"\n[[sip.routes]]\nprefix = \"+\"\n"
             "targets = [\"provider.example.com\", \"[2001:db8::1]:5060\"]\n"),
       {},
       {}});
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.config.upstream_addresses(),
              ElementsAre(*IpRange::parse("203.0.113.0/28"), *IpRange::parse("198.51.100.7/32"),
                          *IpRange::parse("2001:db8::1/128")));
}

TEST_F(Config, AdvertisedAddressesComeFromTheRouteUnlessConfigured) {
  ServerConfig config;
  Problems problems;
  const IpAddress open = *IpAddress::parse("203.0.113.7");
  const IpAddress closed = *IpAddress::parse("10.0.0.7");
  EXPECT_THAT(advertised_addresses(config, {open, closed}, problems), ElementsAre(open));
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_THAT(multiplex_addresses(config, {open}), ElementsAre(HostPort{"203.0.113.7", 2776}));

  advertised_addresses(config, {closed}, problems);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems[0].to_string(), HasSubstr("10.0.0.7 is private; set address.advertised"));

  problems.clear();
  config.address.allow_private_advertised = true;
  EXPECT_THAT(advertised_addresses(config, {closed}, problems), ElementsAre(closed));
  EXPECT_THAT(problems, IsEmpty());
}

TEST(Quantity, IsReadAndWrittenWithItsUnit) {
  for (const char* text : {"15 s", "300 ms", "24 h", "90 d", "2 min", "0 s"})
    EXPECT_EQ(to_text(parse_duration(text).value()), std::string{text} == "24 h" ? "1 d" : text);
  EXPECT_EQ(parse_duration("15s"), seconds{15});
  for (const char* text : {"", "s", "15", "-1 s", "1.5 s", "15 S", "9999999999 s", "999999999 d"})
    EXPECT_FALSE(parse_duration(text)) << text;
  EXPECT_EQ(to_text(*parse_byte_count("1 MiB")), "1 MiB");
  EXPECT_EQ(parse_byte_count("1 MiB")->octets, 1U << 20U);
  EXPECT_FALSE(parse_byte_count("1 MB"));
}

TEST_F(Config, AProxyIsWrittenAsAnAddressOfHttp) {
  EXPECT_EQ(ProxyAddress::parse("http://10.1.1.3:3128").value(),
            (ProxyAddress{"", {"10.1.1.3", 3128}}));
  EXPECT_EQ(ProxyAddress::parse("http://DOM%5Cjo%40x@proxy.example.net:8080/").value(),
            (ProxyAddress{"DOM\\jo@x", {"proxy.example.net", 8080}}));
  EXPECT_EQ(ProxyAddress::parse("http://jo@[2001:db8::3]:3128").value().to_string(),
            "http://jo@[2001:db8::3]:3128");
  EXPECT_EQ((ProxyAddress{"DOM\\jo", {"p", 80}}).to_string(), "http://DOM%5cjo@p:80");
  for (const char* wrong : {"10.1.1.3:3128", "https://10.1.1.3:3128", "http://10.1.1.3",
                            "http://@10.1.1.3:3128", "http://jo%4@p:80", "http://jo%0d@p:80"})
    EXPECT_FALSE(ProxyAddress::parse(wrong)) << wrong;
  EXPECT_THAT(std::string{ProxyAddress::parse("http://jo:secret@p:80").error().what},
              HasSubstr("proxy_password_file"));
}

TEST_F(Config, AProxysUserAndPasswordGoTogether) {
  EXPECT_THAT(problems_of(load_agent, "[multiplex]\nproxy = \"http://jo@10.1.1.3:3128\"\n"),
              ElementsAre(HasSubstr("go together")));
  EXPECT_THAT(problems_of(load_agent, "[multiplex]\nproxy_password_file = \"/x\"\n"),
              ElementsAre(HasSubstr("go together")));
}

TEST_F(Config, InvitesNameEveryPortThatAgentsCanDial) {
  ServerConfig config;
  const std::vector<IpAddress> advertised{*IpAddress::parse("203.0.113.7"),
                                          *IpAddress::parse("2001:db8::7")};
  EXPECT_EQ(multiplex_addresses(config, advertised),
            (std::vector<HostPort>{{"203.0.113.7", 2776}, {"2001:db8::7", 2776}}));
  config.multiplex.listen.push_back({IpAddress::any_v4(), 443});
  EXPECT_EQ(multiplex_addresses(config, advertised), (std::vector<HostPort>{{"203.0.113.7", 2776},
                                                                            {"2001:db8::7", 2776},
                                                                            {"203.0.113.7", 443},
                                                                            {"2001:db8::7", 443}}));
}

}  // namespace
}  // namespace sallyport::config
