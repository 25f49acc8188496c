/* What the program in the kernel (sallyport_relay.bpf.c) and the one that commands it
 * (kernel_relay.cc) share: the entries of the maps. C, since the former is. Addresses and ports are
 * in network byte order; an IPv4 address takes the first of four words. */
#pragma once

#include <linux/types.h>

#include "media/rtp_follower.h"

// NOLINTBEGIN(readability-identifier-naming): C
/* A direction is known by where its packets come from and where they arrive, and on a trunk by its
 * channel; 0: it is on none. */
struct sallyport_key4 {
  __be32 local;
  __be32 source;
  __be16 local_port;
  __be16 source_port;
  __be16 channel;
  __u16 padding;
};
struct sallyport_key6 {
  __be32 local[4];
  __be32 source[4];
  __be16 local_port;
  __be16 source_port;
  __be16 channel;
  __u16 padding;
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
  __be16 channel;        /* of the trunk that it goes on with; 0: with none */
  __u16 longest;         /* octets of IP that the device takes */
  __u16 longest_payload; /* terminal's octets */
  __u8 dscp;
  __u8 padding;
};

/* Its sums are never reset: whoever reads it remembers what was there before. The rest of the
 * stream begins anew with each direction that is counted here. */
struct sallyport_count {
  __u64 packets;
  __u64 octets; /* terminals' */
  __u64 last;   /* CLOCK_MONOTONIC, nanoseconds */
  struct sallyport_rtp stream;
};

/* A terminal's packet alone in a datagram of a trunk in clear, and its channel behind these two
 * octets (docs/PROTOCOL.md, "Tagged: trunks"). */
#define SALLYPORT_TAG_OCTETS 4
#define SALLYPORT_TAG 4
#define SALLYPORT_TAG_VERSION 2

// NOLINTEND(readability-identifier-naming)

/* A process that has not shown for so long that it lives is taken for dead: nothing is relayed. */
#define SALLYPORT_DEAD_AFTER_NS 1500000000ULL
