#include "load/generator.h"

#include <linux/sock_diag.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <system_error>

namespace sallyport::bench {
namespace {

// RTP: version 2, PCMU; behind its header: mark, stream, number, sending time.
constexpr std::size_t kRtpHeader = 12;
constexpr std::uint32_t kMark = 0x53616c6c;
constexpr std::uint32_t kWarmUp = 0xffffffff;  // in place of a number: not to be counted

std::int64_t real_time() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

template <typename T>
void put(std::uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof value);
}
template <typename T>
T get(const std::uint8_t* at) {
  T value{};
  std::memcpy(&value, at, sizeof value);
  return value;
}

sockaddr_in to_sockaddr(const TransportAddress& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(address.port);
  std::memcpy(&out.sin_addr, address.ip.octets().data(), 4);
  return out;
}

// Stream n lives at 127.1.0.1 + n.
in_addr stream_address(std::size_t stream) {
  return {htonl(0x7f010001U + static_cast<std::uint32_t>(stream))};
}

struct Control {
  alignas(cmsghdr)
      std::array<char, CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(timespec))> octets{};
};

void set_source(msghdr& message, Control& control, in_addr source) {
  message.msg_control = control.octets.data();
  message.msg_controllen = CMSG_SPACE(sizeof(in_pktinfo));
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_IP;
  header->cmsg_type = IP_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info{};
  info.ipi_spec_dst = source;
  std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

void require(bool done, const char* what) {
  if (!done) throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Generator::Generator(std::uint16_t port, std::size_t streams)
    : port_(port), streams_(streams), talking_(streams) {
  socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  require(socket_ >= 0, "socket");
  const int on = 1;
  const int room = 32 * 1024 * 1024;
  require(::setsockopt(socket_, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0, "IP_PKTINFO");
  require(::setsockopt(socket_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0, "SO_TIMESTAMPNS");
  if (::setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  require(::bind(socket_, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0, "bind");
  for (std::size_t i = 0; i < streams; ++i) streams_[i].local = local_of(i);
}

Generator::~Generator() { ::close(socket_); }

TransportAddress Generator::local_of(std::size_t stream) const {
  std::array<std::uint8_t, 4> octets{};
  const in_addr address = stream_address(stream);
  std::memcpy(octets.data(), &address, 4);
  return {IpAddress::v4(octets), port_};
}

void Generator::send(std::size_t stream, const TransportAddress& to, Bytes datagram) {
  sockaddr_in target = to_sockaddr(to);
  iovec octets{const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
  msghdr message{};
  message.msg_name = &target;
  message.msg_namelen = sizeof target;
  message.msg_iov = &octets;
  message.msg_iovlen = 1;
  Control control;
  set_source(message, control, stream_address(stream));
  ::sendmsg(socket_, &message, MSG_DONTWAIT);
}

void Generator::listen_for(std::chrono::milliseconds how_long, const Handle& handle) {
  const std::int64_t end = real_time() + std::chrono::nanoseconds{how_long}.count();
  for (;;) {
    const std::int64_t left = end - real_time();
    if (left <= 0) return;
    pollfd wait{socket_, POLLIN, 0};
    ::poll(&wait, 1, static_cast<int>(left / 1'000'000 + 1));
    receive([&](std::size_t stream, Bytes datagram, std::int64_t) { handle(stream, datagram); });
  }
}

Figures Generator::run(std::chrono::milliseconds warm_up, std::chrono::milliseconds measured,
                       const std::function<void()>& begin, const std::function<void()>& end) {
  Figures figures;
  began_ = real_time();
  next_ = 0;
  const std::int64_t starts = began_ + std::chrono::nanoseconds{warm_up}.count();
  const std::int64_t stops = starts + std::chrono::nanoseconds{measured}.count();
  // Stragglers are waited for; loss is what has not come by then.
  const std::int64_t over = stops + 500'000'000;
  const std::int64_t each =
      std::chrono::nanoseconds{kInterval}.count() / static_cast<std::int64_t>(talking_);
  std::uint64_t missed_before = 0;
  bool sending = true;
  const auto on_arrival = [&](std::size_t stream, Bytes datagram, std::int64_t arrived) {
    count_received(stream, datagram, arrived, figures);
  };
  // Even where this process was kept from running past the end, that end is told.
  for (std::int64_t now = began_; sending || now < over; now = real_time()) {
    if (!measuring_ && sending && now >= starts) {
      measuring_ = true;
      missed_before = missed();
      begin();
    }
    if (sending && measuring_ && now >= stops) {
      sending = measuring_ = false;
      end();
    }
    if (sending) send_due(now, measuring_ ? &figures : nullptr);
    while (receive(on_arrival) == kReceiveBatch) {
    }
    if (between_) between_();
    const std::int64_t next_due = began_ + static_cast<std::int64_t>(next_) * each;
    // A millisecond's worth of packets goes out together, as at a busy site.
    const std::int64_t wait = std::min<std::int64_t>(
        1'000'000, sending ? std::max<std::int64_t>(next_due - real_time(), 200'000) : 1'000'000);
    const timespec left{0, wait};
    pollfd readable{socket_, POLLIN, 0};
    if (sending)
      ::nanosleep(&left, nullptr);
    else
      ::ppoll(&readable, 1, &left, nullptr);
  }
  for (const Stream& stream : streams_) {
    figures.sent += stream.sent;
    figures.received += stream.received;
  }
  figures.missed = missed() - missed_before;
  return figures;
}

void Generator::send_due(std::int64_t now, Figures* figures) {
  const auto each =
      std::chrono::nanoseconds{kInterval}.count() / static_cast<std::int64_t>(talking_);
  std::size_t filled = 0;
  for (; began_ + static_cast<std::int64_t>(next_) * each <= now; ++next_) {
    due_[filled] = began_ + static_cast<std::int64_t>(next_) * each;
    fill(filled, next_ % talking_);
    if (++filled < kSendBatch) continue;
    flush(filled, figures);
    filled = 0;
  }
  flush(filled, figures);
}

void Generator::fill(std::size_t slot, std::size_t stream) {
  Stream& from = streams_[stream];
  auto& packet = out_[slot];
  const auto number = static_cast<std::uint32_t>(next_ / talking_);
  packet.fill(0x55);
  packet[0] = 0x80;
  packet[1] = 0;
  put(&packet[2], htons(static_cast<std::uint16_t>(number)));
  put(&packet[4], htonl(number * 160));
  put(&packet[8], htonl(static_cast<std::uint32_t>(stream)));
  put(&packet[kRtpHeader], kMark);
  put(&packet[kRtpHeader + 4], static_cast<std::uint32_t>(stream));
  put(&packet[kRtpHeader + 8], measuring_ ? from.sent : kWarmUp);
  to_[slot] = to_sockaddr(from.target);
  from_stream_[slot] = stream;
  if (measuring_) ++from.sent;
}

void Generator::flush(std::size_t count, Figures* figures) {
  if (count == 0) return;
  std::array<mmsghdr, kSendBatch> messages{};
  std::array<iovec, kSendBatch> octets{};
  std::array<Control, kSendBatch> control;
  const std::int64_t now = real_time();
  for (std::size_t i = 0; i < count; ++i) {
    put(&out_[i][kRtpHeader + 12], now);
    octets[i] = {out_[i].data(), kPacket};
    msghdr& message = messages[i].msg_hdr;
    message.msg_name = &to_[i];
    message.msg_namelen = sizeof to_[i];
    message.msg_iov = &octets[i];
    message.msg_iovlen = 1;
    set_source(message, control[i], stream_address(from_stream_[i]));
    if (figures != nullptr) figures->lateness.add(now - due_[i]);
  }
  std::size_t done = 0;
  while (done < count) {
    const int n = ::sendmmsg(socket_, &messages[done], static_cast<unsigned>(count - done), 0);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
      continue;
    }
    if (figures != nullptr) ++figures->not_sent;
    ++done;
  }
}

std::size_t Generator::receive(
    const std::function<void(std::size_t, Bytes, std::int64_t)>& handle) {
  static constexpr std::size_t kLongest = 512;
  std::array<std::array<std::uint8_t, kLongest>, kReceiveBatch> in;
  std::array<mmsghdr, kReceiveBatch> messages{};
  std::array<iovec, kReceiveBatch> octets{};
  std::array<Control, kReceiveBatch> control;
  for (std::size_t i = 0; i < kReceiveBatch; ++i) {
    octets[i] = {in[i].data(), kLongest};
    messages[i].msg_hdr.msg_iov = &octets[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_control = control[i].octets.data();
    messages[i].msg_hdr.msg_controllen = control[i].octets.size();
  }
  const int n = ::recvmmsg(socket_, messages.data(), kReceiveBatch, MSG_DONTWAIT, nullptr);
  if (n <= 0) return 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    std::int64_t arrived = 0;
    std::uint32_t at = 0;
    msghdr& message = messages[i].msg_hdr;
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_TIMESTAMPNS) {
        const auto stamp = get<timespec>(CMSG_DATA(one));
        arrived = std::int64_t{stamp.tv_sec} * 1'000'000'000 + stamp.tv_nsec;
      } else if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO) {
        at = ntohl(get<in_pktinfo>(CMSG_DATA(one)).ipi_addr.s_addr) - 0x7f010001U;
      }
    }
    if (at < streams_.size()) handle(at, Bytes{in[i]}.first(messages[i].msg_len), arrived);
  }
  return static_cast<std::size_t>(n);
}

void Generator::count_received(std::size_t stream, Bytes datagram, std::int64_t arrived,
                               Figures& figures) {
  if (datagram.size() != kPacket || get<std::uint32_t>(&datagram[kRtpHeader]) != kMark) {
    if (other_datagrams_) other_datagrams_(stream, datagram);
    return;
  }
  const auto from = get<std::uint32_t>(&datagram[kRtpHeader + 4]);
  if (get<std::uint32_t>(&datagram[kRtpHeader + 8]) == kWarmUp || from >= streams_.size()) return;
  if (streams_[from].peer != stream) {
    ++figures.misdelivered;
    return;
  }
  ++streams_[stream].received;
  figures.latency.add(arrived - get<std::int64_t>(&datagram[kRtpHeader + 12]));
}

std::uint64_t Generator::missed() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  if (::getsockopt(socket_, SOL_SOCKET, SO_MEMINFO, memory.data(), &size) != 0) return 0;
  return memory[SK_MEMINFO_DROPS];
}

}  // namespace sallyport::bench
