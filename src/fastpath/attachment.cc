#include "fastpath/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "base/bytes.h"
#include "net/socket.h"

namespace sallyport::fastpath {
namespace {

// A filter's handle is the process that attached it, so that others can tell when it is gone; so
// several servers can be on one host.
constexpr std::uint32_t kPriority = 0x5a11;
constexpr std::string_view kProgram = "sallyport_relay";

// linux/bpf.h of 6.6 and later: BPF_TCX_INGRESS.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);

bpf_tc_hook hook_of(unsigned device) {
  bpf_tc_hook hook{};
  hook.sz = sizeof hook;
  hook.ifindex = static_cast<int>(device);
  hook.attach_point = BPF_TC_INGRESS;
  return hook;
}

bpf_tc_opts filter_of(std::uint32_t process) {
  bpf_tc_opts filter{};
  filter.sz = sizeof filter;
  filter.handle = process;
  filter.priority = kPriority;
  return filter;
}

void detach(unsigned device, std::uint32_t process) {
  const bpf_tc_hook hook = hook_of(device);
  const bpf_tc_opts filter = filter_of(process);
  bpf_tc_detach(&hook, &filter);
}

bool is_gone(std::uint32_t process) {
  const auto pid = static_cast<pid_t>(process);
  // Its own number, before it has attached anything: an earlier process had it.
  return pid == ::getpid() || (::kill(pid, 0) != 0 && errno == ESRCH);
}

template <typename T>
T value_of(Bytes octets) {
  T out{};
  std::memcpy(&out, octets.data(), std::min(sizeof out, octets.size()));
  return out;
}

// The attribute of that type among `attributes`; empty if there is none.
Bytes find_attribute(Bytes attributes, unsigned short type) {
  while (attributes.size() >= sizeof(rtattr)) {
    const auto header = value_of<rtattr>(attributes);
    if (header.rta_len < sizeof(rtattr) || header.rta_len > attributes.size()) break;
    if ((header.rta_type & NLA_TYPE_MASK) == type)
      return attributes.subspan(RTA_LENGTH(0), header.rta_len - RTA_LENGTH(0));
    attributes =
        attributes.subspan(std::min<std::size_t>(attributes.size(), RTA_ALIGN(header.rta_len)));
  }
  return {};
}

// Whose filter a message of the dump is about; 0: nobody's of ours.
std::uint32_t owner_of(Bytes message) {
  constexpr std::size_t kHead = NLMSG_SPACE(sizeof(tcmsg));
  // linux/pkt_cls.h, which does not go together with libbpf's names.
  constexpr unsigned short kBpfName = 7;  // TCA_BPF_NAME
  if (message.size() < kHead || value_of<nlmsghdr>(message).nlmsg_type != RTM_NEWTFILTER) return 0;
  const auto filter = value_of<tcmsg>(message.subspan(NLMSG_HDRLEN));
  if (TC_H_MAJ(filter.tcm_info) >> 16U != kPriority) return 0;
  const Bytes options = find_attribute(message.subspan(kHead), TCA_OPTIONS);
  return as_text(find_attribute(options, kBpfName)).starts_with(kProgram) ? filter.tcm_handle : 0;
}

// rtnetlink(7): what filters there are at the ingress of that interface.
void each_owner(unsigned device, const std::function<void(std::uint32_t)>& tell) {
  const net::Fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  struct {
    nlmsghdr header;
    tcmsg filter;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETTFILTER;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.filter.tcm_family = AF_UNSPEC;
  request.filter.tcm_ifindex = static_cast<int>(device);
  request.filter.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
  if (!socket || ::send(socket.get(), &request, sizeof request, 0) < 0) return;
  std::array<std::uint8_t, 32768> room{};
  for (;;) {
    const ssize_t n = ::recv(socket.get(), room.data(), room.size(), 0);
    if (n <= 0) return;
    Bytes messages = Bytes{room}.first(static_cast<std::size_t>(n));
    while (messages.size() >= sizeof(nlmsghdr)) {
      const auto header = value_of<nlmsghdr>(messages);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > messages.size()) return;
      if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) return;
      if (const std::uint32_t owner = owner_of(messages.first(header.nlmsg_len))) tell(owner);
      messages =
          messages.subspan(std::min<std::size_t>(messages.size(), NLMSG_ALIGN(header.nlmsg_len)));
    }
  }
}

}  // namespace

Result<Attachment> Attachment::attach(int program, unsigned device, bool tcx) {
  if (tcx) {
    net::Fd link{bpf_link_create(program, static_cast<int>(device), kTcxIngress, nullptr)};
    if (link) return Attachment{device, std::move(link)};
    if (errno != EINVAL && errno != EOPNOTSUPP)
      return tl::make_unexpected(net::system_error(errno));
    // A kernel before 6.6.
  }
  bpf_tc_hook hook = hook_of(device);
  if (const int error = bpf_tc_hook_create(&hook); error != 0 && error != -EEXIST)
    return tl::make_unexpected(net::system_error(-error));
  bpf_tc_opts filter = filter_of(static_cast<std::uint32_t>(::getpid()));
  filter.prog_fd = program;
  if (const int error = bpf_tc_attach(&hook, &filter); error != 0)
    return tl::make_unexpected(net::system_error(-error));
  return Attachment{device, net::Fd{}};
}

Attachment::Attachment(Attachment&& other) noexcept
    : device_(std::exchange(other.device_, 0)), link_(std::move(other.link_)) {}

Attachment::~Attachment() {
  if (device_ != 0 && !link_) detach(device_, static_cast<std::uint32_t>(::getpid()));
}

void remove_leftovers() {
  struct if_nameindex* const all = ::if_nameindex();
  if (all == nullptr) return;
  for (const struct if_nameindex* it = all; it->if_index != 0; ++it) {
    std::vector<std::uint32_t> gone;
    each_owner(it->if_index, [&](std::uint32_t owner) {
      if (is_gone(owner)) gone.push_back(owner);
    });
    for (const std::uint32_t owner : gone) detach(it->if_index, owner);
  }
  ::if_freenameindex(all);
}

}  // namespace sallyport::fastpath
