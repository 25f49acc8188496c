#include "net/route_watcher.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/socket.h"

namespace sallyport::net {
namespace {

// A new address brings its routes a few milliseconds later.
constexpr auto kQuiet = std::chrono::milliseconds{50};

// Whether one of the messages is about more than the kernel's own cache of routes.
bool tells_of_change(Bytes messages) {
  nlmsghdr header{};
  while (messages.size() >= sizeof header) {
    std::memcpy(&header, messages.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > messages.size()) return false;
    const Bytes body = messages.subspan(sizeof header, header.nlmsg_len - sizeof header);
    rtmsg route{};
    switch (header.nlmsg_type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
      case RTM_NEWADDR:
      case RTM_DELADDR:
        return true;
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        std::memcpy(&route, body.data(), std::min(sizeof route, body.size()));
        if ((route.rtm_flags & RTM_F_CLONED) == 0) return true;
        break;
      default:
        break;
    }
    messages =
        messages.subspan(std::min<std::size_t>(messages.size(), NLMSG_ALIGN(header.nlmsg_len)));
  }
  return false;
}

}  // namespace

class RouteWatcher::Watching final : public std::enable_shared_from_this<Watching> {
 public:
  Watching(EventLoop& loop, Fd socket, std::function<void()> on_change)
      : socket_(std::move(socket)), timer_(loop.make_timer()), on_change_(std::move(on_change)) {}

  Result<void> start(EventLoop& loop) {
    auto readiness =
        Readiness::watch(loop, socket_.get(), [weak = weak_from_this()](Ready /*what*/) {
          if (const auto self = weak.lock()) self->receive();
        });
    if (!readiness) return tl::make_unexpected(readiness.error());
    readiness_ = std::move(*readiness);
    readiness_->wait(Ready::Readable);
    return {};
  }

 private:
  void receive() {
    std::array<std::uint8_t, 32768> room{};
    bool changed = false;
    for (;;) {
      const ssize_t n = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
      if (n > 0) {
        changed |= tells_of_change(Bytes{room}.first(static_cast<std::size_t>(n)));
      } else if (n < 0 && errno == ENOBUFS) {
        changed = true;  // so much changed that the kernel could not tell all
      } else if (n == 0 || errno != EINTR) {
        break;
      }
    }
    if (changed) {
      timer_->start(Clock::now() + kQuiet, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->on_change_();
      });
    }
    readiness_->wait(Ready::Readable);
  }

  Fd socket_;
  std::unique_ptr<Readiness> readiness_;
  std::unique_ptr<Timer> timer_;
  std::function<void()> on_change_;
};

Result<std::unique_ptr<RouteWatcher>> RouteWatcher::open(EventLoop& loop,
                                                         std::function<void()> on_change) {
  Fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
  if (!socket) return tl::make_unexpected(system_error(errno));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return tl::make_unexpected(system_error(errno));
  auto watching = std::make_shared<Watching>(loop, std::move(socket), std::move(on_change));
  if (const auto started = watching->start(loop); !started)
    return tl::make_unexpected(started.error());
  return std::unique_ptr<RouteWatcher>(new RouteWatcher(std::move(watching)));
}

RouteWatcher::~RouteWatcher() = default;

}  // namespace sallyport::net
