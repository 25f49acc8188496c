#include "edge/kernel_steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "media/steering.h"

namespace sallyport::edge {
namespace {

using Program = std::vector<sock_filter>;

// The program sees the UDP payload at offset 0, and the IP header from here on.
constexpr auto kIp = static_cast<std::uint32_t>(SKF_NET_OFF);

void add(Program& to, int code, std::uint32_t k) {
  to.push_back(BPF_STMT(static_cast<std::uint16_t>(code), k));
}
void answer(Program& to, unsigned cores) {
  add(to, BPF_ALU | BPF_MOD | BPF_K, cores);
  add(to, BPF_RET | BPF_A, 0);
}

// As media::steered_by_source(): port and address words, one over the other.
Program by_source(bool v4, unsigned cores) {
  Program out;
  if (v4) {
    add(out, BPF_LDX | BPF_B | BPF_MSH, kIp);  // X: octets of the header, options included
    add(out, BPF_LD | BPF_H | BPF_IND, kIp);   // the source port
    add(out, BPF_MISC | BPF_TAX, 0);
    add(out, BPF_LD | BPF_W | BPF_ABS, kIp + 12);
    add(out, BPF_ALU | BPF_XOR | BPF_X, 0);
  } else {
    add(out, BPF_LD | BPF_H | BPF_ABS, kIp + 40);  // without extension headers: hardly ever there
    for (const std::uint32_t word : {8U, 12U, 16U, 20U}) {
      add(out, BPF_MISC | BPF_TAX, 0);
      add(out, BPF_LD | BPF_W | BPF_ABS, kIp + word);
      add(out, BPF_ALU | BPF_XOR | BPF_X, 0);
    }
  }
  add(out, BPF_ALU | BPF_MUL | BPF_K, media::kSteeringFactor);
  add(out, BPF_ALU | BPF_RSH | BPF_K, media::kSteeringShift);
  answer(out, cores);
  return out;
}

Program program(bool v4, unsigned cores) {
  Program by_owner;
  add(by_owner, BPF_LD | BPF_B | BPF_ABS, 2);  // the channel's high octet
  add(by_owner, BPF_ALU | BPF_RSH | BPF_K, 5);
  answer(by_owner, cores);
  const auto owner_size = static_cast<std::uint8_t>(by_owner.size());

  const auto jump = [](std::uint32_t k, std::uint8_t if_so, std::uint8_t if_not) {
    return sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, if_so, if_not);
  };
  const auto tagged = static_cast<std::uint32_t>(media::DatagramType::Tagged);
  const auto sealed = static_cast<std::uint32_t>(media::DatagramType::Sealed);
  Program out;
  add(out, BPF_LD | BPF_B | BPF_ABS, 0);
  out.push_back(jump(tagged, 0, 2));
  add(out, BPF_LD | BPF_B | BPF_ABS, 1);
  out.push_back(jump(media::kPlainVersion, 2, static_cast<std::uint8_t>(2 + owner_size)));
  add(out, BPF_ALU | BPF_AND | BPF_K, 0xfc);
  out.push_back(jump(sealed, 0, owner_size));
  out.insert(out.end(), by_owner.begin(), by_owner.end());
  const Program rest = by_source(v4, cores);
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

}  // namespace

Result<void> steer_in_kernel(const net::UdpBatch& first, unsigned cores) {
  Program steps = program(first.local().ip.is_v4(), cores);
  const sock_fprog what{.len = static_cast<unsigned short>(steps.size()), .filter = steps.data()};
  if (::setsockopt(first.native(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &what, sizeof what) != 0)
    return tl::make_unexpected(net::system_error(errno));
  return {};
}

}  // namespace sallyport::edge
