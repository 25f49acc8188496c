// Relays media inside the kernel, at tc ingress: a packet of a direction that user space has handed
// over (a key in `ways4` or `ways6`) gets the addresses, ports, TTL and DSCP that the relay would
// give it, is counted, and leaves through the way's device. Whatever is in the least unusual is left
// alone and takes the ordinary way to the socket: it is user space that knows what to do with it.
// So is everything when user space has not shown for a while that it lives.
//
// Loads on Linux 6.1 and later; needs no BTF of the kernel.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stddef.h>
// After the kernel's types.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "fastpath/layout.h"

// For other filters of the interface to decide. TC_ACT_UNSPEC and TCX_NEXT are the same number.
#define LEFT_ALONE (-1)

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);  // set when it is loaded
  __type(key, struct sallyport_key4);
  __type(value, struct sallyport_way);
} ways4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1);
  __type(key, struct sallyport_key6);
  __type(value, struct sallyport_way);
} ways6 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct sallyport_count);
} counts SEC(".maps");

// When user space was alive last: CLOCK_MONOTONIC, nanoseconds.
volatile __u64 beat = 0;

static __always_inline int user_space_lives(__u64 now) {
  const __u64 last = beat;
  // The coarse clock may lag behind the one that user space read.
  return now < last || now - last < SALLYPORT_DEAD_AFTER_NS;
}

// Sallyport's own datagrams, and what is escaped among them (docs/PROTOCOL.md, "Media datagrams").
static __always_inline int is_ours(__u8 first_octet) {
  return first_octet >= 4 && first_octet <= 15;
}

static __always_inline void count(const struct sallyport_way* way, __u16 octets, __u64 now) {
  const __u32 place = way->place;
  struct sallyport_count* at = bpf_map_lookup_elem(&counts, &place);
  if (!at) return;
  __sync_fetch_and_add(&at->packets, 1);
  __sync_fetch_and_add(&at->octets, octets);
  at->last = now;
}

// The UDP checksum after addresses (whose difference is given) and ports have changed. The kernel's
// helper knows whether it is to be computed by hardware yet.
static __always_inline void mend_checksum(struct __sk_buff* skb, __u32 at, __s64 addresses,
                                          __be32 old_ports, __be32 new_ports) {
  bpf_l4_csum_replace(skb, at, 0, addresses, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
  bpf_l4_csum_replace(skb, at, old_ports, new_ports, 4 | BPF_F_MARK_MANGLED_0);
}

static __always_inline __be32 ports_of(const struct udphdr* udp) {
  return *(const __be32*)(const void*)udp;
}
static __always_inline __be32 ports_of_way(const struct sallyport_way* way) {
  union {
    __be16 both[2];
    __be32 word;
  } ports = {.both = {way->from_port, way->to_port}};
  return ports.word;
}

static __always_inline int send_on(const struct sallyport_way* way) {
  struct bpf_redir_neigh next = {.nh_family = way->gateway_family};
  __builtin_memcpy(next.ipv6_nh, way->gateway, sizeof next.ipv6_nh);
  return (int)bpf_redirect_neigh((int)way->device, &next, sizeof next, 0);
}

// Whether the UDP payload is one that may be relayed without user space; `octets` are its header
// and payload, as IP has them.
static __always_inline int usual(const struct udphdr* udp, const __u8* payload, __u16 octets) {
  return bpf_ntohs(udp->len) == octets && udp->check != 0 && !is_ours(*payload);
}

static __always_inline int relay4(struct __sk_buff* skb, struct iphdr* ip, const void* end) {
  struct udphdr* udp = (void*)(ip + 1);
  const __u8* payload = (void*)(udp + 1);
  if ((const void*)(payload + 1) > end) return LEFT_ALONE;
  // No options, no fragments.
  if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
      (ip->frag_off & bpf_htons(0x3fff)) != 0 || ip->ttl <= 1)
    return LEFT_ALONE;
  const struct sallyport_key4 key = {.local = ip->daddr,
                                     .source = ip->saddr,
                                     .local_port = udp->dest,
                                     .source_port = udp->source};
  const struct sallyport_way* way = bpf_map_lookup_elem(&ways4, &key);
  const __u64 now = bpf_ktime_get_coarse_ns();
  if (!way || !user_space_lives(now)) return LEFT_ALONE;
  const __u16 total = bpf_ntohs(ip->tot_len);
  if (!usual(udp, payload, (__u16)(total - sizeof *ip)) || total > way->longest) return LEFT_ALONE;

  __be32 before[2] = {ip->saddr, ip->daddr};
  __be32 after[2] = {way->from[0], way->to[0]};
  const __s64 moved = bpf_csum_diff(before, sizeof before, after, sizeof after, 0);
  // The header's own checksum (RFC 1624): the complement of what was, plus what is.
  __u32 sum = (__u16)~ip->check;
  sum += (__u16)~(*(__be16*)(void*)ip) + (__u16)~(*(__be16*)(void*)&ip->ttl);
  ip->tos = (__u8)(way->dscp << 2) | (ip->tos & 3);
  ip->ttl--;
  sum += *(__be16*)(void*)ip + *(__be16*)(void*)&ip->ttl;
  sum += ((__u32)moved & 0xffff) + ((__u32)moved >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  ip->check = (__u16)~((sum & 0xffff) + (sum >> 16));
  ip->saddr = after[0];
  ip->daddr = after[1];
  const __be32 old_ports = ports_of(udp);
  udp->source = way->from_port;
  udp->dest = way->to_port;
  count(way, (__u16)(total - sizeof *ip - sizeof *udp), now);
  mend_checksum(skb, ETH_HLEN + sizeof *ip + offsetof(struct udphdr, check), moved, old_ports,
                ports_of_way(way));
  return send_on(way);
}

static __always_inline int relay6(struct __sk_buff* skb, struct ipv6hdr* ip, const void* end) {
  struct udphdr* udp = (void*)(ip + 1);
  const __u8* payload = (void*)(udp + 1);
  if ((const void*)(payload + 1) > end) return LEFT_ALONE;
  // No extension headers, so no fragments either.
  if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP || ip->hop_limit <= 1) return LEFT_ALONE;
  struct sallyport_key6 key = {.local_port = udp->dest, .source_port = udp->source};
  __builtin_memcpy(key.local, &ip->daddr, sizeof key.local);
  __builtin_memcpy(key.source, &ip->saddr, sizeof key.source);
  const struct sallyport_way* way = bpf_map_lookup_elem(&ways6, &key);
  const __u64 now = bpf_ktime_get_coarse_ns();
  if (!way || !user_space_lives(now)) return LEFT_ALONE;
  const __u16 octets = bpf_ntohs(ip->payload_len);
  if (!usual(udp, payload, octets) || sizeof *ip + octets > way->longest) return LEFT_ALONE;

  __be32 before[8];
  __be32 after[8];
  __builtin_memcpy(before, &ip->saddr, sizeof before);
  __builtin_memcpy(after, way->from, sizeof way->from);
  __builtin_memcpy(after + 4, way->to, sizeof way->to);
  const __s64 moved = bpf_csum_diff(before, sizeof before, after, sizeof after, 0);
  __builtin_memcpy(&ip->saddr, after, sizeof after);
  // Version, traffic class and flow label are one word: the DSCP is in bits 4 to 9.
  __be32* word = (void*)ip;
  *word = (*word & ~bpf_htonl(0x0fc00000)) | bpf_htonl((__u32)way->dscp << 22);
  ip->hop_limit--;
  const __be32 old_ports = ports_of(udp);
  udp->source = way->from_port;
  udp->dest = way->to_port;
  count(way, (__u16)(octets - sizeof *udp), now);
  mend_checksum(skb, ETH_HLEN + sizeof *ip + offsetof(struct udphdr, check), moved, old_ports,
                ports_of_way(way));
  return send_on(way);
}

// The frame, its headers and one octet of payload where they can be read; null if it has no such.
static __always_inline struct ethhdr* headers(struct __sk_buff* skb, __u32 ip_header) {
  const __u32 wanted = ETH_HLEN + ip_header + sizeof(struct udphdr) + 1;
  if ((void*)(long)skb->data + wanted > (void*)(long)skb->data_end &&
      bpf_skb_pull_data(skb, wanted) != 0)
    return NULL;
  struct ethhdr* eth = (void*)(long)skb->data;
  return (void*)(eth + 1) > (void*)(long)skb->data_end ? NULL : eth;
}

SEC("tc")
int sallyport_relay(struct __sk_buff* skb) {
  // Not a bystander's frame, no VLAN that is still to be taken off, no bundle of segments.
  if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size) return LEFT_ALONE;
  if (skb->protocol == bpf_htons(ETH_P_IP)) {
    struct ethhdr* eth = headers(skb, sizeof(struct iphdr));
    if (eth) return relay4(skb, (void*)(eth + 1), (void*)(long)skb->data_end);
  } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
    struct ethhdr* eth = headers(skb, sizeof(struct ipv6hdr));
    if (eth) return relay6(skb, (void*)(eth + 1), (void*)(long)skb->data_end);
  }
  return LEFT_ALONE;
}

char _license[] SEC("license") = "Apache-2.0";
