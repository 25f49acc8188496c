// The least that a relay in the kernel can do: at tc ingress, a table from address to address, the
// headers rewritten, the packet sent on. IPv4 and UDP without options only; nothing is counted.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>
// After the kernel's types.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "load/bare_tc.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 65536);
  __type(key, struct bare_tc_source);
  __type(value, struct bare_tc_target);
} targets SEC(".maps");

SEC("tc")
int bare_tc(struct __sk_buff* skb) {
  void* data = (void*)(long)skb->data;
  const void* end = (void*)(long)skb->data_end;
  const struct ethhdr* eth = data;
  struct iphdr* ip = data + sizeof *eth;
  struct udphdr* udp = (void*)(ip + 1);
  if ((void*)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 ||
      ip->protocol != IPPROTO_UDP || (ip->frag_off & bpf_htons(0x3fff)) != 0 || ip->ttl <= 1)
    return TC_ACT_OK;
  const struct bare_tc_source source = {
      .relay = ip->daddr, .address = ip->saddr, .port = udp->source};
  const struct bare_tc_target* to = bpf_map_lookup_elem(&targets, &source);
  if (!to) return TC_ACT_OK;

  const __be32 addresses[4] = {ip->saddr, ip->daddr, to->relay, to->address};
  const __be32 old_ports = *(__be32*)&udp->source;
  const __be32 new_ports = (__be32)udp->dest | (__be32)to->port << 16;  // little-endian hosts
  const __s64 moved = bpf_csum_diff((__be32*)&addresses[0], 8, (__be32*)&addresses[2], 8, 0);
  const __be16 old_ttl = *(__be16*)&ip->ttl;
  ip->saddr = to->relay;
  ip->daddr = to->address;
  ip->ttl--;
  const __be16 new_ttl = *(__be16*)&ip->ttl;
  *(__be32*)&udp->source = new_ports;
  bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), 0, moved, 0);
  bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), old_ttl, new_ttl, 2);
  const int check = ETH_HLEN + sizeof(struct iphdr) + offsetof(struct udphdr, check);
  bpf_l4_csum_replace(skb, check, 0, moved, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
  bpf_l4_csum_replace(skb, check, old_ports, new_ports, 4 | BPF_F_MARK_MANGLED_0);
  struct bpf_redir_neigh next = {.nh_family = 2 /* AF_INET */, .ipv4_nh = to->gateway};
  return (int)bpf_redirect_neigh(to->device, &next, sizeof next, 0);
}

char _license[] SEC("license") = "GPL";
