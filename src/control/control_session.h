// One multiplex as the control protocol sees it: takes the envelopes out of the control channel and
// gives them, and everything about the other logical channels, to whoever plays this side's part:
// the opening exchange first (Hello, Welcome), then a Slave (control/slave.h) or a RemoteEdge
// (edge/remote_edge.h). A message that breaks the protocol ends the session, with the reason. One
// thread.
#pragma once

#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "mux/multiplex.h"

namespace sallyport::control {

namespace wire {
class Envelope;
}

constexpr std::size_t kMaxEnvelope = std::size_t{1} << 20U;

// What a Slave and a RemoteEdge both are to the session.
class Part {
 public:
  Part() = default;
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  virtual ~Part() = default;

  virtual Result<void> on_message(const wire::Envelope& message) = 0;
  virtual void on_channel(mux::ChannelId, const mux::StreamHeader& header) = 0;
  virtual void on_received(mux::ChannelId, Bytes octets) = 0;
  virtual void on_datagram(mux::ChannelId, const TransportAddress& local,
                           const TransportAddress& remote, Bytes datagram) = 0;
  virtual void on_half_closed(mux::ChannelId) = 0;
  virtual void on_closed(mux::ChannelId, const Error& why) = 0;
  virtual void on_writable(mux::ChannelId) = 0;
};

class ControlSession final : public mux::Multiplex::Observer {
 public:
  struct Handler {
    // Hello, Welcome, Refusal and the housekeeping messages. An error ends the session.
    std::function<Result<void>(const wire::Envelope&)> on_message;
    std::function<void(std::uint64_t connection_number)> on_attached;
    std::function<void(const Error& why)> on_detached;
    std::function<void(const Error& why)> on_gone;  // the session is over; destroy it from the loop
  };
  // Both must outlive the session.
  ControlSession(mux::Multiplex& multiplex, const Clocks& clocks, Handler handler);

  // From now on everything but the handler's messages goes to this part; none: it is refused.
  void set_part(Part* part) { part_ = part; }
  void send(const wire::Envelope& message);
  mux::Multiplex& multiplex() { return multiplex_; }
  const Clocks& clocks() const { return clocks_; }

  void on_channel(mux::ChannelId, const mux::StreamHeader& header) override;
  void on_received(mux::ChannelId, Bytes octets) override;
  void on_datagram(mux::ChannelId, const TransportAddress& local, const TransportAddress& remote,
                   Bytes datagram) override;
  void on_half_closed(mux::ChannelId) override;
  void on_closed(mux::ChannelId, const Error& why) override;
  void on_writable(mux::ChannelId) override;
  void on_attached(std::uint64_t connection_number) override;
  void on_detached(const Error& why) override;
  void on_gone(const Error& why) override;

 private:
  void on_control(Bytes octets);
  Result<void> dispatch(Bytes envelope);
  void violated(const Error& why);

  mux::Multiplex& multiplex_;
  const Clocks& clocks_;
  Handler handler_;
  Part* part_ = nullptr;
  Buffer partial_;  // of an envelope with its length
  bool over_ = false;
};

}  // namespace sallyport::control
