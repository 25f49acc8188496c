/* What bare_tc.bpf.c and the program that loads it share: the table's entries. */
#pragma once

#include <linux/types.h>

// NOLINTBEGIN(readability-identifier-naming): C
struct bare_tc_source {
  __be32 relay; /* the address that the packet was sent to */
  __be32 address;
  __be16 port;
  __u16 padding;
};
struct bare_tc_target {
  __be32 relay; /* the address that it is sent on from */
  __be32 address;
  __be32 gateway;
  __u32 device; /* interface index */
  __be16 port;
  __u16 padding;
};
// NOLINTEND(readability-identifier-naming)
