#include "load/generator.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <system_error>
#include <utility>

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

in_addr stream_address(const Side& side, std::size_t stream) {
  return {htonl(side.first + static_cast<std::uint32_t>(stream))};
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

// A socket belongs to the network namespace that its thread is in when it is made.
int socket_in(const std::string& network_namespace) {
  if (network_namespace.empty()) return ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int home = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  const int there = ::open(network_namespace.c_str(), O_RDONLY | O_CLOEXEC);
  require(home >= 0 && there >= 0 && ::setns(there, CLONE_NEWNET) == 0, "network namespace");
  const int made = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  require(::setns(home, CLONE_NEWNET) == 0, "own network namespace");
  ::close(home);
  ::close(there);
  return made;
}

int open_socket(const Side& side, std::uint16_t port) {
  const int made = socket_in(side.network_namespace);
  require(made >= 0, "socket");
  const int on = 1;
  const int room = 32 * 1024 * 1024;
  require(::setsockopt(made, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0, "IP_PKTINFO");
  require(::setsockopt(made, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0, "SO_TIMESTAMPNS");
  if (::setsockopt(made, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
    ::setsockopt(made, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  require(::bind(made, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0, "bind");
  return made;
}

}  // namespace

Side side_at(const std::string& first, const std::string& network_namespace) {
  const auto ip = IpAddress::parse(first);
  if (!ip || !ip->is_v4()) throw std::invalid_argument("not an IPv4 address: " + first);
  return {.first = Reader{ip->octets()}.u32(), .network_namespace = network_namespace};
}

TransportAddress address_of(const Side& side, std::size_t stream, std::uint16_t port) {
  std::array<std::uint8_t, 4> octets{};
  const in_addr address = stream_address(side, stream);
  std::memcpy(octets.data(), &address, 4);
  return {IpAddress::v4(octets), port};
}

Generator::Generator(std::uint16_t port, std::size_t streams, std::vector<Side> sides)
    : port_(port), streams_(streams), talking_(streams) {
  for (Side& side : sides) {
    Leg& leg = legs_.emplace_back();
    leg.side = std::move(side);
    leg.socket = open_socket(leg.side, port);
  }
  for (std::size_t i = 0; i < streams; ++i) streams_[i].local = local_of(i);
}

Generator::~Generator() {
  for (const Leg& leg : legs_) ::close(leg.socket);
}

TransportAddress Generator::local_of(std::size_t stream) const {
  return address_of(legs_[stream % legs_.size()].side, stream, port_);
}

void Generator::send(std::size_t stream, const TransportAddress& to, Bytes datagram) {
  const Leg& leg = leg_of(stream);
  sockaddr_in target = to_sockaddr(to);
  iovec octets{const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
  msghdr message{};
  message.msg_name = &target;
  message.msg_namelen = sizeof target;
  message.msg_iov = &octets;
  message.msg_iovlen = 1;
  Control control;
  set_source(message, control, stream_address(leg.side, stream));
  ::sendmsg(leg.socket, &message, MSG_DONTWAIT);
}

void Generator::listen_for(std::chrono::milliseconds how_long, const Handle& handle) {
  const std::int64_t end = real_time() + std::chrono::nanoseconds{how_long}.count();
  for (;;) {
    const std::int64_t left = end - real_time();
    if (left <= 0) return;
    wait_readable(left);
    receive_all(
        [&](std::size_t stream, MutableBytes datagram, std::int64_t) { handle(stream, datagram); });
  }
}

void Generator::wait_readable(std::int64_t nanoseconds) const {
  std::vector<pollfd> readable;
  for (const Leg& leg : legs_) readable.push_back({leg.socket, POLLIN, 0});
  const timespec left{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
  ::ppoll(readable.data(), readable.size(), &left, nullptr);
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
  const auto on_arrival = [&](std::size_t stream, MutableBytes datagram, std::int64_t arrived) {
    on_received(stream, datagram, arrived, figures);
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
    while (receive_all(on_arrival)) {
    }
    if (between_) between_();
    const std::int64_t next_due = began_ + static_cast<std::int64_t>(next_) * each;
    // A millisecond's worth of packets goes out together, as at a busy site.
    const std::int64_t wait = std::min<std::int64_t>(
        1'000'000, sending ? std::max<std::int64_t>(next_due - real_time(), 200'000) : 1'000'000);
    const timespec left{0, wait};
    if (sending)
      ::nanosleep(&left, nullptr);
    else
      wait_readable(wait);
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
  for (; began_ + static_cast<std::int64_t>(next_) * each <= now; ++next_) {
    const std::size_t stream = next_ % talking_;
    if (streams_[stream].silent) continue;
    Leg& leg = leg_of(stream);
    leg.due.at(leg.filled) = began_ + static_cast<std::int64_t>(next_) * each;
    fill(leg, stream);
    if (leg.filled == kSendBatch) flush(leg, figures);
  }
  for (Leg& leg : legs_) flush(leg, figures);
}

void Generator::fill(Leg& leg, std::size_t stream) {
  Stream& from = streams_[stream];
  std::uint8_t* const packet = leg.out.at(leg.filled).data() + Wrapping::kBefore;
  const auto number = static_cast<std::uint32_t>(next_ / talking_);
  std::memset(packet, 0x55, kPacket);
  packet[0] = 0x80;
  packet[1] = 0;
  put(&packet[2], htons(static_cast<std::uint16_t>(number)));
  put(&packet[4], htonl(number * 160));
  put(&packet[8], htonl(static_cast<std::uint32_t>(stream)));
  put(&packet[kRtpHeader], kMark);
  put(&packet[kRtpHeader + 4], static_cast<std::uint32_t>(stream));
  put(&packet[kRtpHeader + 8], measuring_ ? from.sent : kWarmUp);
  leg.stream.at(leg.filled++) = stream;
  if (measuring_) ++from.sent;
}

// The datagram as it leaves, with its sending time in it.
Bytes Generator::finish(Leg& leg, std::size_t place, std::int64_t now) {
  const Stream& from = streams_[leg.stream.at(place)];
  const MutableBytes packet = MutableBytes{leg.out.at(place)}.subspan(Wrapping::kBefore, kPacket);
  put(&packet[kRtpHeader + 12], now);
  if (from.wrapping != nullptr) return from.wrapping->wrap(leg.stream.at(place), packet);
  if (from.channel == 0) return packet;
  std::uint8_t* const header = packet.data() - kChannelHeader;
  put(header, htons(from.channel));
  put(header + 2, htons(kPacket));
  return {header, kChannelHeader + kPacket};
}

void Generator::flush(Leg& leg, Figures* figures) {
  const std::size_t count = std::exchange(leg.filled, 0);
  if (count == 0) return;
  std::array<mmsghdr, kSendBatch> messages{};
  std::array<sockaddr_in, kSendBatch> to{};
  std::array<iovec, kSendBatch> octets{};
  std::array<Control, kSendBatch> control;
  const std::int64_t now = real_time();
  for (std::size_t i = 0; i < count; ++i) {
    const Stream& from = streams_[leg.stream[i]];
    const Bytes datagram = finish(leg, i, now);
    octets[i] = {const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
    to[i] = to_sockaddr(from.target);
    msghdr& message = messages[i].msg_hdr;
    message.msg_name = &to[i];
    message.msg_namelen = sizeof to[i];
    message.msg_iov = &octets[i];
    message.msg_iovlen = 1;
    const std::size_t carrier = from.carrier == Stream::kItself ? leg.stream[i] : from.carrier;
    set_source(message, control[i], stream_address(leg.side, carrier));
    if (figures != nullptr) figures->lateness.add(now - leg.due[i]);
  }
  std::size_t done = 0;
  while (done < count) {
    const int n = ::sendmmsg(leg.socket, &messages[done], static_cast<unsigned>(count - done), 0);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
      continue;
    }
    if (figures != nullptr) ++figures->not_sent;
    ++done;
  }
}

// One batch of each side. True when there may be more.
bool Generator::receive_all(const Arrival& handle) {
  bool more = false;
  for (const Leg& leg : legs_) more |= receive(leg, handle) == kReceiveBatch;
  return more;
}

std::size_t Generator::receive(const Leg& leg, const Arrival& handle) {
  static constexpr std::size_t kLongest = 2048;
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
  const int n = ::recvmmsg(leg.socket, messages.data(), kReceiveBatch, MSG_DONTWAIT, nullptr);
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
        at = ntohl(get<in_pktinfo>(CMSG_DATA(one)).ipi_addr.s_addr) - leg.side.first;
      }
    }
    if (at < streams_.size()) handle(at, MutableBytes{in[i]}.first(messages[i].msg_len), arrived);
  }
  return static_cast<std::size_t>(n);
}

void Generator::on_received(std::size_t stream, MutableBytes datagram, std::int64_t arrived,
                            Figures& figures) {
  Wrapping* const wrapping = streams_[stream].wrapping;
  if (wrapping == nullptr) return count_received(stream, datagram, arrived, figures);
  const bool packets = wrapping->unwrap(datagram, [&](std::size_t of, Bytes packet) {
    count_received(of, packet, arrived, figures);
  });
  if (!packets && other_datagrams_) other_datagrams_(stream, datagram);
}

void Generator::count_received(std::size_t stream, Bytes datagram, std::int64_t arrived,
                               Figures& figures) {
  if (streams_[stream].channel != 0 && datagram.size() == kChannelHeader + kPacket)
    datagram = datagram.subspan(kChannelHeader);
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
  std::uint64_t sum = 0;
  for (const Leg& leg : legs_) {
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    socklen_t size = sizeof memory;
    if (::getsockopt(leg.socket, SOL_SOCKET, SO_MEMINFO, memory.data(), &size) == 0)
      sum += memory[SK_MEMINFO_DROPS];
  }
  return sum;
}

}  // namespace sallyport::bench
