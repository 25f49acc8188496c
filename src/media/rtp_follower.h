/* Follows what arrives of one media stream: pauses of whatever it is, and by the headers of RTP
 * (RFC 3550) what was lost, came twice or out of order, and how unevenly. In C, since StreamQuality
 * and the program in the kernel (fastpath/sallyport_relay.bpf.c) do it alike: constant time and
 * memory, integers only, no loop. Times are of CLOCK_MONOTONIC, in nanoseconds.
 *
 * One synchronization source is followed at a time. Others that come beside it (retransmissions of
 * video have one of their own) are not looked at, until the one that is followed has been silent.
 */
#pragma once
#pragma GCC system_header /* to compilers of C++, who would have other casts than C has */

#include <linux/types.h>

/* Of all that ever was followed: these only grow, but for what was taken for lost and then came. */
struct sallyport_rtp_totals {
  __u64 packets;
  __s32 lost; /* did not come, or came too late to be heard */
  __u32 reordered;
  __u32 duplicates;
  __u32 ssrc_changes;
  __u32 pauses; /* of datagrams of any kind: longer gaps than SALLYPORT_RTP_PAUSE_NS */
};

struct sallyport_rtp {
  struct sallyport_rtp_totals totals;
  __u32 jitter;      /* RFC 3550 6.4.1, its own way in sixteenths: of 1024 nanoseconds */
  __u64 largest_gap; /* between datagrams of any kind, pauses not counted */
  __u64 last_packet; /* of any kind; 0: none came */
  __u64 window;      /* which of the latest sequence numbers came; bit 0: highest */
  __u64 last_followed;
  __u64 last_timed; /* the arrival of last_timestamp */
  __u32 last_timestamp;
  __u32 tick; /* of the RTP clock: nanoseconds in 256ths; 0: not known. Whoever knows it sets it */
  __u32 ssrc;
  __u16 highest;
  __u16 restart;     /* the number that would show that the sender began anew */
  __u8 payload_type; /* of what is timed, and has that clock */
  __u8 others;       /* packets of another one, since the last of this one */
  __u8 span;         /* bits of window that belong to this stream */
  __u8 follows : 1;  /* 0: the next packet begins it */
  __u8 may_restart : 1;
};

#define SALLYPORT_RTP_HEADER 12 /* octets that are looked at */
/* A gap that long is a pause (hold, mute, silence suppression), not a fault of the network. */
#define SALLYPORT_RTP_PAUSE_NS 2000000000ULL
/* Another source takes over when the one that is followed has been silent for so long. */
#define SALLYPORT_RTP_HANDOVER_NS 100000000ULL
/* RFC 3550 A.1: a sequence number that is further ahead than this comes from a sender that began
 * anew, once another one follows it. */
#define SALLYPORT_RTP_MOST_DROPOUT 3000
#define SALLYPORT_RTP_WINDOW 64
/* Another payload type may have another clock, if it is not comfort noise in between. */
#define SALLYPORT_RTP_OTHERS 50

static inline void sallyport_rtp_follow(struct sallyport_rtp* it, __u32 ssrc, __u16 sequence,
                                        __u8 payload_type, __u32 timestamp, __u64 now) {
  if (payload_type != it->payload_type) it->tick = 0;
  it->follows = 1;
  it->may_restart = 0;
  it->ssrc = ssrc;
  it->highest = sequence;
  it->window = 1;
  it->span = 1;
  it->payload_type = payload_type;
  it->others = 0;
  it->last_timestamp = timestamp;
  it->last_timed = now;
}

/* 1: it is in order. */
static inline int sallyport_rtp_count(struct sallyport_rtp* it, __u16 sequence) {
  const int ahead = (__s16)(__u16)(sequence - it->highest);
  if (ahead >= SALLYPORT_RTP_MOST_DROPOUT || ahead <= -SALLYPORT_RTP_MOST_DROPOUT) {
    const int again = it->may_restart && sequence == it->restart;
    it->may_restart = !again;
    it->restart = (__u16)(sequence + 1);
    if (!again) return 0;
    it->highest = sequence;
    it->window = 3;
    it->span = 2;
    return 1;
  }
  it->may_restart = 0;
  if (ahead > 0) {
    const int span = it->span + ahead;
    it->totals.lost += ahead - 1;
    it->window = ahead < SALLYPORT_RTP_WINDOW ? it->window << (ahead & 63) | 1 : 1;
    it->span = (__u8)(span < SALLYPORT_RTP_WINDOW ? span : SALLYPORT_RTP_WINDOW);
    it->highest = sequence;
    return 1;
  }
  /* From before the first one that came, or so late that it stays lost: nobody can hear it. */
  if (-ahead >= it->span) {
    it->totals.reordered++;
    return 0;
  }
  const __u64 bit = 1ULL << (-ahead & 63);
  if ((it->window & bit) != 0) {
    it->totals.duplicates++;
    return 0;
  }
  it->window |= bit;
  it->totals.reordered++;
  it->totals.lost--; /* as which it was counted when it was overtaken */
  return 0;
}

static inline void sallyport_rtp_time(struct sallyport_rtp* it, __u8 payload_type, __u32 timestamp,
                                      __u64 now) {
  if (payload_type != it->payload_type) {
    it->others++;
    if (it->others < SALLYPORT_RTP_OTHERS) return;
    it->payload_type = payload_type;
    it->tick = 0;
  }
  it->others = 0;
  /* Packets of one video frame, or of one telephone event, share a timestamp: they are not spaced.
   */
  if (timestamp == it->last_timestamp) return;
  if (it->tick != 0) {
    const __s64 spoken = ((__s64)(__s32)(timestamp - it->last_timestamp) * (__s64)it->tick) >> 8;
    const __s64 late = (__s64)(now - it->last_timed) - spoken;
    const __u64 off = (__u64)(late < 0 ? -late : late);
    /* A timestamp that jumps (a talkspurt of a careless sender) says nothing of the network. */
    if (off < SALLYPORT_RTP_PAUSE_NS) it->jitter += (__u32)(off >> 10) - ((it->jitter + 8) >> 4);
  }
  it->last_timestamp = timestamp;
  it->last_timed = now;
}

/* A datagram has come, of whatever kind. */
static inline void sallyport_rtp_any(struct sallyport_rtp* it, __u64 now) {
  if (it->last_packet != 0 && now > it->last_packet) {
    const __u64 gap = now - it->last_packet;
    if (gap >= SALLYPORT_RTP_PAUSE_NS)
      it->totals.pauses++;
    else if (gap > it->largest_gap)
      it->largest_gap = gap;
  }
  it->last_packet = now;
}

/* It has so many octets at least, and begins with these. */
static inline void sallyport_rtp_header(struct sallyport_rtp* it, const __u8* header, __u64 now) {
  /* | V=2 P X CC | M PT | sequence number | timestamp (4) | SSRC (4) |
   * RFC 5761 section 4: 192 to 223 in the second octet is RTCP. */
  if (header[0] >> 6 != 2 || (header[1] >= 192 && header[1] <= 223)) return;
  const __u8 payload_type = header[1] & 0x7f;
  const __u16 sequence = (__u16)(header[2] << 8 | header[3]);
  const __u32 timestamp =
      (__u32)header[4] << 24 | (__u32)header[5] << 16 | (__u32)header[6] << 8 | header[7];
  const __u32 ssrc =
      (__u32)header[8] << 24 | (__u32)header[9] << 16 | (__u32)header[10] << 8 | header[11];
  if (it->follows && ssrc != it->ssrc) {
    if (now - it->last_followed < SALLYPORT_RTP_HANDOVER_NS) return;
    it->totals.ssrc_changes++;
    it->follows = 0;
  }
  if (!it->follows)
    sallyport_rtp_follow(it, ssrc, sequence, payload_type, timestamp, now);
  else if (sallyport_rtp_count(it, sequence))
    sallyport_rtp_time(it, payload_type, timestamp, now);
  it->last_followed = now;
  it->totals.packets++;
}
