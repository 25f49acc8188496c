#include "agent/http_proxy.h"

#include <sys/stat.h>

#include "base/file.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kLongestPassword = 1024;

// The first line of the file.
Result<std::string> read_password(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) == 0 && (about.st_mode & 077U) != 0)
    return fail(Errc::NotPermitted, "others may read this password: chmod 600");
  auto text = read_file(path, kLongestPassword);
  if (!text) return text;
  const std::size_t end = text->find_first_of("\r\n");
  if (end != std::string::npos) text->resize(end);
  if (text->empty()) return fail(Errc::BadValue, "no password in it");
  return text;
}

}  // namespace

Result<std::optional<HttpProxy>> configured_proxy(const config::AgentConfig& config) {
  const auto& [user, address] = config.multiplex.proxy;
  if (address.host.empty()) return std::optional<HttpProxy>{};
  HttpProxy proxy{.address = address, .credentials = {}};
  if (user.empty()) return proxy;
  auto password = read_password(config.multiplex.proxy_password_file);
  if (!password) return tl::make_unexpected(password.error());
  proxy.credentials = codec::http::Credentials{.user = user, .password = std::move(*password)};
  if (!codec::http::are_fit(*proxy.credentials))
    return fail(Errc::BadValue, "a control character in the password");
  return proxy;
}

}  // namespace sallyport::agent
