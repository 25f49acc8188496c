// Relays media inside the kernel, at tc ingress: a packet of a direction that user space has handed
// over (a key in `ways4` or `ways6`) gets the addresses, ports, TTL and DSCP that the relay would
// give it, is counted, and leaves through the way's device. On a trunk in clear it has its
// channel's header, which is put on, taken off, or made another. Whatever is in the least unusual
// is left alone and takes the ordinary way to the socket: it is user space that knows what to do
// with it. So is everything when user space has not shown for a while that it lives.
//
// Loads on Linux 6.1 and later; needs no BTF of the kernel.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>
// After the kernel's types.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "fastpath/layout.h"

// For other filters of the interface to decide. TC_ACT_UNSPEC and TCX_NEXT are the same number.
#define LEFT_ALONE TC_ACT_UNSPEC

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

#define SCRATCH 2048 /* more than a packet on Ethernet, and a power of two */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u8[SCRATCH + SALLYPORT_TAG_OCTETS]);
} scratch SEC(".maps");

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

// What there is of the terminal's packet lies up to `end`.
static __always_inline void count(const struct sallyport_way* way, __u16 octets, const __u8* packet,
                                  const void* end) {
  const __u32 place = way->place;
  struct sallyport_count* at = bpf_map_lookup_elem(&counts, &place);
  if (!at) return;
  const __u64 now = bpf_ktime_get_ns();
  __sync_fetch_and_add(&at->packets, 1);
  __sync_fetch_and_add(&at->octets, octets);
  at->last = now;
  // A flow's packets come one after another, on one core mostly: the rest takes no such care.
  sallyport_rtp_any(&at->stream, now);
  if (octets >= SALLYPORT_RTP_HEADER && (const void*)(packet + SALLYPORT_RTP_HEADER) <= end)
    sallyport_rtp_header(&at->stream, packet, now);
}

// What a packet's change amounts to, for the UDP checksum.
struct change {
  __s64 addresses; /* their difference */
  __be32 old_ports, new_ports;
  __be32 old_tag, new_tag; /* 0: none */
  __be16 old_length, new_length;
};

// The kernel's helper knows whether the checksum is to be computed by hardware yet.
static __always_inline void mend_checksum(struct __sk_buff* skb, __u32 at,
                                          const struct change* done) {
  bpf_l4_csum_replace(skb, at, 0, (__u64)done->addresses, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
  bpf_l4_csum_replace(skb, at, done->old_ports, done->new_ports, 4 | BPF_F_MARK_MANGLED_0);
  if (done->old_tag != done->new_tag)
    bpf_l4_csum_replace(skb, at, done->old_tag, done->new_tag, 4 | BPF_F_MARK_MANGLED_0);
  if (done->old_length == done->new_length) return;
  // It is there twice: in the UDP header and in what IP adds to it.
  bpf_l4_csum_replace(skb, at, done->old_length, done->new_length, 2 | BPF_F_MARK_MANGLED_0);
  bpf_l4_csum_replace(skb, at, done->old_length, done->new_length,
                      2 | BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
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

// The channel's header before a packet on that way, as it lies in memory; 0: there is none.
static __always_inline __be32 tag_of(__be16 channel) {
  union {
    __u8 octets[SALLYPORT_TAG_OCTETS];
    __be16 halves[2];
    __be32 word;
  } tag = {.octets = {SALLYPORT_TAG, SALLYPORT_TAG_VERSION}};
  tag.halves[1] = channel;
  return channel ? tag.word : 0;
}

// On which channel that payload came, behind which header; 0: it has none. False: it is something
// else of ours.
static __always_inline int read_tag(const __u8* payload, const void* end, __be16* channel) {
  *channel = 0;
  if (!is_ours(*payload)) return 1;
  if ((const void*)(payload + SALLYPORT_TAG_OCTETS + 1) > end) return 0;
  if (payload[0] != SALLYPORT_TAG || payload[1] != SALLYPORT_TAG_VERSION) return 0;
  __builtin_memcpy(channel, payload + 2, sizeof *channel);
  return *channel != 0;
}

// A packet that may be relayed: what is to become of it.
struct packet {
  const struct sallyport_way* way;
  __be32 old_tag, new_tag;
  __u16 octets;     /* the terminal's */
  __u16 old_length; /* of UDP */
  __u16 new_length;
};

// `length`: of the UDP header and payload, as IP has them.
static __always_inline int usual(struct packet* it, __be16 channel, const struct udphdr* udp,
                                 const __u8* payload, const void* end, __u16 ip_header,
                                 __u16 length) {
  it->old_tag = tag_of(channel);
  it->new_tag = tag_of(it->way->channel);
  it->old_length = length;
  if (bpf_ntohs(udp->len) != length || udp->check == 0) return 0;
  const __u16 before = sizeof *udp + (it->old_tag ? SALLYPORT_TAG_OCTETS : 0);
  if (length <= before) return 0;
  it->octets = length - before;
  it->new_length =
      length + (it->new_tag ? SALLYPORT_TAG_OCTETS : 0) - (it->old_tag ? SALLYPORT_TAG_OCTETS : 0);
  // What a terminal has sent may look like ours: it would be escaped on some ways.
  const __u8* inner = payload + (it->old_tag ? SALLYPORT_TAG_OCTETS : 0);
  if ((const void*)(inner + 1) > end || is_ours(*inner)) return 0;
  return ip_header + it->new_length <= it->way->longest && it->octets <= it->way->longest_payload;
}

// The header put on or off: the payload is moved and not the headers before it, since those who
// compute checksums later have been told where the UDP header is.
static __always_inline int retag(struct __sk_buff* skb, __u32 payload, const struct packet* it) {
  const __u32 zero = 0;
  __u8* copy = bpf_map_lookup_elem(&scratch, &zero);
  __u64 octets = it->octets;
  __asm__ volatile(""
                   : "+r"(octets));  // one number: the verifier is to know what it was compared to
  if (!copy || octets == 0 || octets > SCRATCH) return 0;
  __builtin_memcpy(copy, &it->new_tag, sizeof it->new_tag);
  const __u32 lay = payload + (it->old_tag ? SALLYPORT_TAG_OCTETS : 0);
  if (bpf_skb_load_bytes(skb, lay, copy + SALLYPORT_TAG_OCTETS, octets) != 0) return 0;
  const __u32 whole = payload - sizeof(struct udphdr) + it->new_length;
  if (it->new_tag) {
    if (bpf_skb_change_tail(skb, whole, 0) != 0) return 0;
    return bpf_skb_store_bytes(skb, payload, copy, octets + SALLYPORT_TAG_OCTETS, 0) == 0;
  }
  if (bpf_skb_store_bytes(skb, payload, copy + SALLYPORT_TAG_OCTETS, octets, 0) != 0) return 0;
  return bpf_skb_change_tail(skb, whole, 0) == 0;
}

// The headers of a frame that is to be relayed, from its beginning on; null if they are not there.
static __always_inline struct ethhdr* frame(struct __sk_buff* skb, __u32 headers) {
  if ((void*)(long)skb->data + headers > (void*)(long)skb->data_end) return NULL;
  return (void*)(long)skb->data;
}

static __always_inline int write_tag(const struct __sk_buff* skb, struct udphdr* udp, __be32 tag) {
  __be32* at = (void*)(udp + 1);
  if ((void*)(at + 1) > (void*)(long)skb->data_end) return 0;
  *at = tag;
  return 1;
}

static __always_inline int relay4(struct __sk_buff* skb, struct iphdr* ip, const void* end) {
  struct udphdr* udp = (void*)(ip + 1);
  const __u8* payload = (void*)(udp + 1);
  if ((const void*)(payload + 1) > end) return LEFT_ALONE;
  // No options, no fragments.
  if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
      (ip->frag_off & bpf_htons(0x3fff)) != 0 || ip->ttl <= 1)
    return LEFT_ALONE;
  struct sallyport_key4 key = {
      .local = ip->daddr, .source = ip->saddr, .local_port = udp->dest, .source_port = udp->source};
  if (!read_tag(payload, end, &key.channel)) return LEFT_ALONE;
  struct packet it = {.way = bpf_map_lookup_elem(&ways4, &key)};
  if (!it.way || !user_space_lives(bpf_ktime_get_coarse_ns())) return LEFT_ALONE;
  const struct sallyport_way* way = it.way;
  if (!usual(&it, key.channel, udp, payload, end, sizeof *ip,
             (__u16)(bpf_ntohs(ip->tot_len) - sizeof *ip)))
    return LEFT_ALONE;
  count(way, it.octets, payload + (it.old_tag ? SALLYPORT_TAG_OCTETS : 0), end);
  const __u32 at = ETH_HLEN + sizeof *ip + sizeof *udp;
  if (it.old_length != it.new_length && !retag(skb, at, &it)) return TC_ACT_SHOT;
  struct ethhdr* eth = frame(skb, at);
  if (!eth) return TC_ACT_SHOT;
  ip = (void*)(eth + 1);
  udp = (void*)(ip + 1);

  __be32 before[2] = {ip->saddr, ip->daddr};
  __be32 after[2] = {way->from[0], way->to[0]};
  struct change done = {.addresses = bpf_csum_diff(before, sizeof before, after, sizeof after, 0),
                        .old_ports = ports_of(udp),
                        .new_ports = ports_of_way(way),
                        .old_tag = it.old_tag,
                        .new_tag = it.new_tag,
                        .old_length = udp->len,
                        .new_length = bpf_htons(it.new_length)};
  // The header's own checksum (RFC 1624): the complement of what was, plus what is.
  __u32 sum = (__u16)~ip->check;
  sum +=
      (__u16) ~(*(__be16*)(void*)ip) + (__u16) ~(*(__be16*)(void*)&ip->ttl) + (__u16)~ip->tot_len;
  ip->tos = (__u8)(way->dscp << 2) | (ip->tos & 3);
  ip->ttl--;
  ip->tot_len = bpf_htons(sizeof *ip + it.new_length);
  sum += *(__be16*)(void*)ip + *(__be16*)(void*)&ip->ttl + ip->tot_len;
  sum += ((__u32)done.addresses & 0xffff) + ((__u32)done.addresses >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  ip->check = (__u16) ~((sum & 0xffff) + (sum >> 16));
  ip->saddr = after[0];
  ip->daddr = after[1];
  udp->source = way->from_port;
  udp->dest = way->to_port;
  udp->len = done.new_length;
  if (it.old_tag && it.new_tag && !write_tag(skb, udp, it.new_tag)) return TC_ACT_SHOT;
  mend_checksum(skb, at - sizeof *udp + offsetof(struct udphdr, check), &done);
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
  if (!read_tag(payload, end, &key.channel)) return LEFT_ALONE;
  struct packet it = {.way = bpf_map_lookup_elem(&ways6, &key)};
  if (!it.way || !user_space_lives(bpf_ktime_get_coarse_ns())) return LEFT_ALONE;
  const struct sallyport_way* way = it.way;
  if (!usual(&it, key.channel, udp, payload, end, sizeof *ip, bpf_ntohs(ip->payload_len)))
    return LEFT_ALONE;
  count(way, it.octets, payload + (it.old_tag ? SALLYPORT_TAG_OCTETS : 0), end);
  const __u32 at = ETH_HLEN + sizeof *ip + sizeof *udp;
  if (it.old_length != it.new_length && !retag(skb, at, &it)) return TC_ACT_SHOT;
  struct ethhdr* eth = frame(skb, at);
  if (!eth) return TC_ACT_SHOT;
  ip = (void*)(eth + 1);
  udp = (void*)(ip + 1);

  __be32 before[8];
  __be32 after[8];
  __builtin_memcpy(before, &ip->saddr, sizeof before);
  __builtin_memcpy(after, way->from, sizeof way->from);
  __builtin_memcpy(after + 4, way->to, sizeof way->to);
  struct change done = {.addresses = bpf_csum_diff(before, sizeof before, after, sizeof after, 0),
                        .old_ports = ports_of(udp),
                        .new_ports = ports_of_way(way),
                        .old_tag = it.old_tag,
                        .new_tag = it.new_tag,
                        .old_length = udp->len,
                        .new_length = bpf_htons(it.new_length)};
  __builtin_memcpy(&ip->saddr, after, sizeof after);
  // Version, traffic class and flow label are one word: the DSCP is in bits 4 to 9.
  __be32* word = (void*)ip;
  *word = (*word & ~bpf_htonl(0x0fc00000)) | bpf_htonl((__u32)way->dscp << 22);
  ip->hop_limit--;
  ip->payload_len = done.new_length;
  udp->source = way->from_port;
  udp->dest = way->to_port;
  udp->len = done.new_length;
  if (it.old_tag && it.new_tag && !write_tag(skb, udp, it.new_tag)) return TC_ACT_SHOT;
  mend_checksum(skb, at - sizeof *udp + offsetof(struct udphdr, check), &done);
  return send_on(way);
}

// The frame, its headers and what is looked at of the payload, where they can be read; null if it
// has not one octet of payload.
static __always_inline struct ethhdr* headers(struct __sk_buff* skb, __u32 ip_header) {
  const __u32 least = ETH_HLEN + ip_header + sizeof(struct udphdr) + 1;
  const __u32 most = least - 1 + SALLYPORT_TAG_OCTETS + SALLYPORT_RTP_HEADER;
  if (skb->len < least) return NULL;
  const __u32 wanted = skb->len < most ? skb->len : most;
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
