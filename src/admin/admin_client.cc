#include "admin/admin_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace sallyport::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxReply = std::size_t{256} << 20U;  // a list of very many calls

class Socket {
 public:
  Socket() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Answer failed(Outcome outcome, std::string what) { return {outcome, {}, {}, std::move(what)}; }

// False when it is not readable in time.
bool wait_readable(int fd, TimePoint until) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    if (left.count() <= 0) return false;
    pollfd one{fd, POLLIN, 0};
    const int ready = ::poll(&one, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

Answer read_answer(std::string_view line) {
  json::error_code error;
  const json::value reply = json::parse(line, error);
  if (error || !reply.is_object()) return failed(Outcome::Broken, "the answer is not understood");
  const json::object& object = reply.get_object();
  const json::value* ok = object.if_contains("ok");
  if (ok != nullptr && ok->is_bool() && ok->get_bool()) {
    const json::value* result = object.if_contains("result");
    return {Outcome::Done, result != nullptr ? *result : json::value{}, {}, {}};
  }
  Answer out = failed(Outcome::Refused, "refused without a reason");
  const json::value* why = object.if_contains("error");
  if (why == nullptr || !why->is_object()) return out;
  const auto text = [why](std::string_view key) {
    const json::value* value = why->get_object().if_contains(key);
    if (value == nullptr || !value->is_string()) return std::string{};
    return std::string{value->get_string()};
  };
  out.code = text("code");
  out.what = text("what");
  return out;
}

}  // namespace

Answer ask(const std::string& socket_path, const std::string& command,
           const json::object& arguments, Duration patience) {
  const TimePoint until = Clock::now() + patience;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path)
    return failed(Outcome::Broken, socket_path + ": longer than a socket's path can be");
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());

  const Socket socket;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EACCES || errno == EPERM)
      return failed(Outcome::Forbidden, socket_path + ": only root and the service's user may");
    if (errno == ENOENT || errno == ECONNREFUSED)
      return failed(Outcome::NotRunning, socket_path + ": nobody listens there");
    return failed(Outcome::Broken, socket_path + ": " + std::strerror(errno));
  }

  const std::string request =
      json::serialize(json::object{{"command", command}, {"arguments", arguments}}) + "\n";
  for (std::string_view rest = request; !rest.empty();) {
    const ssize_t n = ::send(socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed(Outcome::Broken, "it closed the connection");
    rest.remove_prefix(static_cast<std::size_t>(n));
  }

  std::string reply;
  char chunk[65536];
  while (wait_readable(socket.get(), until)) {
    const ssize_t n = ::recv(socket.get(), chunk, sizeof chunk, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed(Outcome::Broken, "it closed the connection without an answer");
    reply.append(chunk, static_cast<std::size_t>(n));
    if (reply.back() == '\n') {
      reply.pop_back();
      return read_answer(reply);
    }
    if (reply.size() > kMaxReply) return failed(Outcome::Broken, "the answer is too long");
  }
  return failed(Outcome::Broken, "no answer in time");
}

}  // namespace sallyport::admin
