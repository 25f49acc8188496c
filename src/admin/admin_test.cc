#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>

#include "admin/admin_client.h"
#include "admin/admin_server.h"

namespace sallyport::admin {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

class Admin : public testing::Test {
 protected:
  Admin() {
    std::string pattern = testing::TempDir() + "sallyport-admin-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/run/server.sock";
    server_ = std::make_unique<AdminServer>(network_, *log_);
    server_->add("echo", [](const json::object& arguments, const Reply& reply) {
      reply.ok({{"heard", text_argument(arguments, "text")}});
    });
    server_->add("refuse", [](const json::object&, const Reply& reply) {
      reply.error(Errc::NotFound, "there is none");
    });
    server_->add("later",
                 [this](const json::object&, const Reply& reply) { later_.push_back(reply); });
    EXPECT_TRUE(server_->listen(network_, path_));
  }
  ~Admin() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  // As a command asks: from another thread here, from another process in truth.
  Answer ask_server(const std::string& command, const json::object& arguments = {},
                    const std::function<void()>& meanwhile = {}) {
    std::atomic<bool> done{false};
    Answer answer;
    std::thread client{[&] {
      answer = ask(path_, command, arguments, seconds{20});
      done = true;
    }};
    while (!done) {
      network_.run_one(milliseconds{20});
      if (meanwhile) meanwhile();
    }
    client.join();
    return answer;
  }
  // What a client that says anything it likes is told, until so many lines or the end.
  std::string say(const std::string& octets, std::ptrdiff_t lines, bool half_close = false) {
    std::string heard;
    std::ptrdiff_t line_ends = 0;
    bool closed = false;
    std::unique_ptr<net::Stream> stream;
    net::Stream::Handler handler;
    handler.on_connected = [&] {
      stream->send(as_bytes(octets));
      if (half_close) stream->half_close();
    };
    handler.on_received = [&](Bytes received) {
      heard += as_text(received);
      line_ends += std::count(received.begin(), received.end(), '\n');
    };
    handler.on_half_closed = [&] { closed = true; };
    handler.on_closed = [&](const Error&) { closed = true; };
    stream = network_.connect_unix(path_, std::move(handler));
    const TimePoint limit = Clock::now() + seconds{20};
    while (!closed && line_ends < lines) {
      if (Clock::now() > limit) {
        ADD_FAILURE() << "neither " << lines << " lines nor the end: " << heard;
        break;
      }
      network_.run_one(milliseconds{20});
    }
    return heard;
  }

  std::string folder_;
  std::string path_;
  std::unique_ptr<Log> log_ = Log::silent();
  net::HostNetwork network_;
  std::vector<Reply> later_;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(Admin, CommandsAreAnsweredThroughASocketOfTheOwnerOnly) {
  const Answer answer = ask_server("echo", {{"text", "a \"b\"\n"}});
  ASSERT_EQ(answer.outcome, Outcome::Done) << answer.what;
  EXPECT_EQ(answer.result.at("heard").get_string(), "a \"b\"\n");
  struct stat about {};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
}

TEST_F(Admin, RefusalsCarryCodeAndReason) {
  const Answer answer = ask_server("refuse");
  EXPECT_EQ(answer.outcome, Outcome::Refused);
  EXPECT_EQ(answer.code, "not_found");
  EXPECT_EQ(answer.what, "there is none");
  EXPECT_EQ(ask_server("nonsense").code, "unsupported");
}

TEST_F(Admin, AnswersMayComeLaterAndCountOnce) {
  const Answer answer = ask_server("later", {}, [this] {
    if (!later_.empty()) later_.front().ok("now");
  });
  EXPECT_EQ(answer.outcome, Outcome::Done);
  EXPECT_EQ(answer.result.get_string(), "now");
  later_.front().ok("twice");
  server_.reset();
  later_.front().ok("too late");
}

TEST_F(Admin, WhoIsNotRunningIsToldFromWhoRefuses) {
  EXPECT_EQ(ask(folder_ + "/none.sock", "echo", {}).outcome, Outcome::NotRunning);
  server_.reset();
  EXPECT_EQ(ask(path_, "echo", {}).outcome, Outcome::NotRunning);
  EXPECT_EQ(ask("/" + std::string(200, 'x'), "echo", {}).outcome, Outcome::Broken);
}

TEST_F(Admin, ManyRequestsOfOneConnectionAreAnsweredInTheirOrder) {
  std::string requests;
  for (int i = 0; i < 3000; ++i)
    requests += "{\"command\":\"echo\",\"arguments\":{\"text\":\"" + std::to_string(i) + "\"}}\n";
  std::istringstream lines{say(requests, 3000)};
  std::string line;
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(std::getline(lines, line)) << i;
    ASSERT_THAT(line, HasSubstr("\"heard\":\"" + std::to_string(i) + "\""));
  }
}

TEST_F(Admin, AnswersStillComeAfterTheClientHasClosedItsSide) {
  EXPECT_THAT(say("{\"command\":\"echo\",\"arguments\":{\"text\":\"x\"}}\n", 2, true),
              HasSubstr("\"heard\":\"x\""));
}

TEST_F(Admin, HostileInputIsRefusedAndHarmsNobodyElse) {
  for (const std::string octets :
       {"\n", "nonsense\n", "[]\n", "{}\n", "{\"command\":5}\n", "{\"command\":\"\"}\n", "\xff\n"})
    EXPECT_THAT(say(octets, 1), HasSubstr("\"ok\":false")) << octets;
  EXPECT_THAT(say("{\"command\":\"echo\",\"arguments\":[1]}\n", 1), HasSubstr("\"heard\":\"\""));
  EXPECT_THAT(say(std::string(100, '[') + std::string(100, ']') + "\n", 1),
              HasSubstr("not a JSON object"));
  EXPECT_THAT(say(std::string(kMaxRequest + 1000, ' '), 2), HasSubstr("longer than 64 KiB"));
  EXPECT_EQ(ask_server("echo", {{"text", "still here"}}).outcome, Outcome::Done);
}

TEST_F(Admin, ConnectionsAreLimitedAndFreedAgain) {
  std::vector<std::unique_ptr<net::Stream>> idle;
  std::size_t connected = 0;
  for (std::size_t i = 0; i < kMaxConnections; ++i) {
    net::Stream::Handler handler;
    handler.on_connected = [&] { ++connected; };
    handler.on_received = [](Bytes) {};
    idle.push_back(network_.connect_unix(path_, std::move(handler)));
  }
  while (connected < kMaxConnections) network_.run_one(milliseconds{20});
  EXPECT_EQ(say("{\"command\":\"echo\"}\n", 1), "");
  idle.clear();
  const TimePoint limit = Clock::now() + seconds{20};
  while (say("{\"command\":\"echo\"}\n", 1).empty()) ASSERT_LT(Clock::now(), limit);
}

}  // namespace
}  // namespace sallyport::admin
