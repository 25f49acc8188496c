// The least that a relay in user space can do: one socket, recvmmsg, a table from address to
// address, sendmmsg. What Sallyport and others cost beyond this is what they do besides.
#include <netinet/in.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdio>
#include <cstring>

#include "load/generator.h"

using namespace sallyport;

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kLongest = 2048;

sockaddr_in to_sockaddr(const TransportAddress& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(address.port);
  std::memcpy(&out.sin_addr, address.ip.octets().data(), 4);
  return out;
}

std::uint64_t key_of(const sockaddr_in& address) {
  return std::uint64_t{address.sin_addr.s_addr} << 16U | address.sin_port;
}

using Table = boost::unordered_flat_map<std::uint64_t, sockaddr_in>;

[[noreturn]] void relay(int socket, const Table& table) {
  std::array<std::array<char, kLongest>, kBatch> octets;
  std::array<sockaddr_in, kBatch> from{};
  std::array<sockaddr_in, kBatch> to{};
  std::array<iovec, kBatch> in_octets{};
  std::array<iovec, kBatch> out_octets{};
  std::array<mmsghdr, kBatch> in{};
  std::array<mmsghdr, kBatch> out{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    in_octets[i] = {octets[i].data(), kLongest};
    in[i].msg_hdr.msg_name = &from[i];
    in[i].msg_hdr.msg_iov = &in_octets[i];
    in[i].msg_hdr.msg_iovlen = 1;
    out[i].msg_hdr.msg_name = &to[i];
    out[i].msg_hdr.msg_namelen = sizeof to[i];
    out[i].msg_hdr.msg_iov = &out_octets[i];
    out[i].msg_hdr.msg_iovlen = 1;
  }
  for (;;) {
    for (mmsghdr& one : in) one.msg_hdr.msg_namelen = sizeof(sockaddr_in);
    const int n = ::recvmmsg(socket, in.data(), kBatch, MSG_WAITFORONE, nullptr);
    unsigned ready = 0;
    for (int i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const auto found = table.find(key_of(from[at]));
      if (found == table.end()) continue;
      to[ready] = found->second;
      out_octets[ready++] = {octets[at].data(), in[at].msg_len};
    }
    for (unsigned done = 0; done < ready;) {
      const int sent = ::sendmmsg(socket, &out[done], ready - done, 0);
      done += sent > 0 ? static_cast<unsigned>(sent) : 1;
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception may end a start-up.
int main(int argc, char** argv) {
  CLI::App app{"A bare relay in user space, to compare with"};
  std::string listen = "127.0.0.1:2776";
  std::string first = "127.1.0.1";
  std::string far_first;
  std::size_t streams = 1000;
  std::uint16_t generator_port = 7078;
  app.add_option("--listen", listen);
  app.add_option("--streams", streams, "two for each call");
  app.add_option("--first", first, "media_load's");
  app.add_option("--far-first", far_first, "media_load's");
  app.add_option("--generator-port", generator_port, "media_load's");
  CLI11_PARSE(app, argc, argv);

  const bench::Side near = bench::side_at(first);
  const bench::Side far = bench::side_at(far_first.empty() ? first : far_first);
  Table table;
  for (std::size_t i = 0; i < streams; i += 2) {
    const sockaddr_in caller = to_sockaddr(bench::address_of(near, i, generator_port));
    const sockaddr_in callee = to_sockaddr(bench::address_of(far, i + 1, generator_port));
    table.emplace(key_of(caller), callee);
    table.emplace(key_of(callee), caller);
    std::printf("target %s\ntarget %s\n", listen.c_str(), listen.c_str());
  }
  const auto local = TransportAddress::parse(listen);
  if (!local) return 1;
  const sockaddr_in bound = to_sockaddr(*local);
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int room = 8 * 1024 * 1024;
  ::setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&bound), sizeof bound) != 0) {
    std::perror("bind");
    return 1;
  }
  std::printf("ready\n");
  std::fflush(stdout);
  relay(socket, table);
}
