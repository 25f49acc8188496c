#include "agent/http_proxy.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace sallyport::agent {
namespace {

class HttpProxyTest : public testing::Test {
 protected:
  HttpProxyTest() {
    char name[] = "/tmp/sallyport-proxy-XXXXXX";
    folder_ = ::mkdtemp(name);
    config_.multiplex.proxy = config::ProxyAddress::parse("http://jo@10.1.1.3:3128").value();
    config_.multiplex.proxy_password_file = folder_ + "/password";
  }
  ~HttpProxyTest() override { std::filesystem::remove_all(folder_); }
  void write(std::string_view text, unsigned mode = 0600) {
    ASSERT_TRUE(write_file(config_.multiplex.proxy_password_file, text, mode));
  }
  std::string folder_;
  config::AgentConfig config_;
};

TEST_F(HttpProxyTest, HasItsPasswordFromTheFilesFirstLine) {
  write("let me out\nand what follows does not matter\n");
  const auto proxy = configured_proxy(config_);
  ASSERT_TRUE(proxy && *proxy);
  EXPECT_EQ((*proxy)->address, (HostPort{"10.1.1.3", 3128}));
  ASSERT_TRUE((*proxy)->credentials);
  EXPECT_EQ((*proxy)->credentials->user, "jo");
  EXPECT_EQ((*proxy)->credentials->password, "let me out");
}

TEST_F(HttpProxyTest, WithoutAUserNeedsNoFile) {
  config_.multiplex.proxy.user.clear();
  const auto proxy = configured_proxy(config_);
  ASSERT_TRUE(proxy && *proxy);
  EXPECT_FALSE((*proxy)->credentials);
  config_.multiplex.proxy = {};
  EXPECT_FALSE(configured_proxy(config_).value());
}

TEST_F(HttpProxyTest, APasswordThatOthersMayReadIsRefused) {
  for (const unsigned mode : {0640U, 0604U, 0660U}) {
    write("let me out\n", mode);
    const auto proxy = configured_proxy(config_);
    ASSERT_FALSE(proxy);
    EXPECT_EQ(proxy.error().code, Errc::NotPermitted);
  }
}

TEST_F(HttpProxyTest, AFileWithoutAPasswordIsRefused) {
  EXPECT_EQ(configured_proxy(config_).error().code, Errc::NotFound);
  write("\nlet me out\n");
  EXPECT_EQ(configured_proxy(config_).error().code, Errc::BadValue);
  write("let\tme\x01out\n");
  EXPECT_EQ(configured_proxy(config_).error().code, Errc::BadValue);
}

}  // namespace
}  // namespace sallyport::agent
