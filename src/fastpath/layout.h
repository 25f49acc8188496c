/* What the program in the kernel (sallyport_relay.bpf.c) and the one that commands it
 * (kernel_relay.cc) share: the entries of the maps. C, since the former is. Addresses and ports are
 * in network byte order; an IPv4 address takes the first of four words. */
#pragma once

#include <linux/types.h>

// NOLINTBEGIN(readability-identifier-naming): C
/* A direction is known by where its packets come from and where they arrive. */
struct sallyport_key4 {
  __be32 local;
  __be32 source;
  __be16 local_port;
  __be16 source_port;
};
struct sallyport_key6 {
  __be32 local[4];
  __be32 source[4];
  __be16 local_port;
  __be16 source_port;
};

/* Where they go. */
struct sallyport_way {
  __be32 from[4];
  __be32 to[4];
  __be32 gateway[4]; /* the next hop, `to` itself where it is on the link */
  __u32 gateway_family;
  __u32 device; /* interface index */
  __u32 place;  /* where it is counted */
  __be16 from_port;
  __be16 to_port;
  __u16 longest; /* octets of IP that the device takes */
  __u8 dscp;
  __u8 padding;
};

/* Never reset: whoever reads it remembers what was there before. */
struct sallyport_count {
  __u64 packets;
  __u64 octets; /* of payload */
  __u64 last;   /* CLOCK_MONOTONIC, nanoseconds, a few milliseconds coarse */
  __u64 padding;
};

// NOLINTEND(readability-identifier-naming)

/* A process that has not shown for so long that it lives is taken for dead: nothing is relayed. */
#define SALLYPORT_DEAD_AFTER_NS 1500000000ULL
