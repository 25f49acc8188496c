#include "admin/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "net/host_network.h"

namespace sallyport::admin {
namespace {

// systemd's end of the notification socket.
class Manager : public testing::Test {
 protected:
  Manager() {
    std::string pattern = testing::TempDir() + "sallyport-notify-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    const std::string path = folder_ + "/notify";
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Manager() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
    ::close(socket_);
    std::filesystem::remove_all(folder_);
  }
  std::string next() {
    char text[256];
    const ssize_t n = ::recv(socket_, text, sizeof text, 0);
    return n < 0 ? std::string{} : std::string(text, static_cast<std::size_t>(n));
  }
  std::string folder_;
  int socket_ = -1;
  net::HostNetwork network_;
};

TEST_F(Manager, IsToldOfReadinessAndOfTheEnd) {
  {
    ServiceManager service{network_};
    EXPECT_EQ(next(), "");  // no watchdog was asked for
    service.ready("3 agents");
    EXPECT_EQ(next(), "READY=1\nSTATUS=3 agents");
    service.status("4 agents");
    EXPECT_EQ(next(), "STATUS=4 agents");
  }
  EXPECT_EQ(next(), "STOPPING=1");
}

TEST_F(Manager, HearsSignsOfLifeAsLongAsTheLoopRuns) {
  ::setenv("WATCHDOG_USEC", "20000", 1);
  ServiceManager service{network_};
  EXPECT_EQ(next(), "WATCHDOG=1");
  EXPECT_EQ(next(), "");
  const TimePoint limit = Clock::now() + seconds{20};
  for (int signs = 0; signs < 3;) {
    ASSERT_LT(Clock::now(), limit);
    network_.run_one(milliseconds{20});
    while (next() == "WATCHDOG=1") ++signs;
  }
}

}  // namespace
}  // namespace sallyport::admin
