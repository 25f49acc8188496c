// One component of a port: where it sends, and whose packets it takes. Media is accepted from where
// the signalling says, or, where that is known to be untrue (the far side is behind a NAT), from
// the first source whose packet could be this media; then only from there, until the signalling
// names another address. Used by Relay, on its thread.
#pragma once

#include "base/bytes.h"
#include "base/transport_address.h"
#include "media/holding_pool.h"
#include "media/media.h"
#include "media/meter.h"
#include "media/rate_gate.h"
#include "media/socket_id.h"

namespace sallyport::media {

// Whether a datagram could be RTP or RTCP (RFC 3550), or what comes with them on one port: STUN
// (RFC 8489), DTLS (RFC 6347), ZRTP (RFC 6189).
bool plausible_rtp(Bytes datagram);

class PortComponent {
 public:
  enum class Verdict : std::uint8_t { Taken, WrongSource, Implausible, NoRemote };

  PortComponent() = default;
  explicit PortComponent(SocketId socket) : socket_(socket) {}

  // A changed address, or another rule, opens a lock on a learnt source.
  void set_remote(const TransportAddress& address, Accept accept, bool rtp);

  Verdict judge(const TransportAddress& source, Bytes datagram) {
    if (locked_) return source == learnt_ ? Verdict::Taken : Verdict::WrongSource;
    return judge_unlocked(source, datagram);
  }
  // Where this port sends; port 0: nowhere, which is also so while a party is wanted whose address
  // is still to be learnt (an unspecified IP address with a port).
  TransportAddress target() const {
    if (locked_) return learnt_;
    return remote_.ip.is_unspecified() ? TransportAddress{} : remote_;
  }
  SocketId socket() const { return socket_; }

  // What comes before it is told from where media comes may be media all the same: an answer and
  // the first packet behind it leave a terminal together, and the answer has further to go. True:
  // this packet can wait; all of them have one source.
  bool may_be_early(const TransportAddress& source) {
    if (was_told_ || (!waiting.empty() && source != early_)) return false;
    early_ = source;
    return true;
  }
  // Whether it is known whose packets are waiting. Only signalling can tell: what came before it
  // locks nothing.
  bool knows_early() const { return was_told_ && accept_ != Accept::FirstPlausible; }
  bool was_told() const { return was_told_; }
  const TransportAddress& early_source() const { return early_; }

  WaitingLine waiting;  // the relay's, as is what follows: early packets
  bool told_first_packet = false;
  RateGate gate;  // for what was taken
  Meter meter;

 private:
  Verdict judge_unlocked(const TransportAddress& source, Bytes datagram);

  SocketId socket_;
  TransportAddress remote_;
  TransportAddress learnt_;
  TransportAddress early_;
  Accept accept_ = Accept::SignalledAddress;
  bool rtp_ = true;
  bool locked_ = false;    // on learnt_
  bool was_told_ = false;  // once, where to send, or that there is nowhere
};

}  // namespace sallyport::media
