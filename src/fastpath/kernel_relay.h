// Media relayed by the kernel itself: a program at tc ingress (sallyport_relay.bpf.c), its maps,
// and where it is attached. It takes directions that are addresses and nothing else; which ones,
// and when, is for media::Relay to say (media/fast_path.h). Several threads may use it, each for
// places of its own.
//
// Attached is it to those interfaces only at which offloaded packets arrive, and as long as this
// object lives. After a crash nothing is relayed once the heartbeat is missed
// (SALLYPORT_DEAD_AFTER_NS): on kernels with tcx (6.6) the program goes with the process, on others
// the next open() removes what was left.
#pragma once

#include <memory>

#include "base/result.h"
#include "base/transport_address.h"
#include "media/fast_path.h"

namespace sallyport::fastpath {

// What arrives at `local` from `source` leaves from `from` for `target`; the rest as in
// media::FastRule.
struct KernelRule {
  TransportAddress local;  // an unspecified address: the one by which `source` is reached
  TransportAddress source;
  media::Channel in_channel = media::kNoChannel;
  TransportAddress from;  // likewise
  TransportAddress target;
  media::Channel out_channel = media::kNoChannel;
  std::uint8_t dscp = 0;
  std::size_t longest = 0xffff;
  media::RtpClock clock;
};

class KernelRelay {
 public:
  using Place = media::FastPath::Place;

  struct Options {
    std::size_t places = 0;  // directions are numbered below this
    bool tcx = true;         // false: clsact even where the kernel has tcx
  };
  // NotPermitted without CAP_BPF and CAP_NET_ADMIN; Unsupported when the kernel, or this build,
  // does not have what it takes.
  static Result<std::unique_ptr<KernelRelay>> open(const Options& options);

  KernelRelay() = default;
  KernelRelay(const KernelRelay&) = delete;
  KernelRelay& operator=(const KernelRelay&) = delete;
  virtual ~KernelRelay() = default;  // nothing is relayed any more

  // As in media::FastPath. False where the way does not lead from one Ethernet to another, or from
  // one family of addresses to the other.
  virtual bool offload(Place place, const KernelRule& rule) = 0;
  virtual void unload(Place place) = 0;
  virtual media::FastCount read(Place place) const = 0;
  virtual void set_clock(Place place, const media::RtpClock& clock) = 0;
  virtual void beat(TimePoint now) = 0;
};

}  // namespace sallyport::fastpath
