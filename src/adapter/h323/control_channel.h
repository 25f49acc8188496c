// How H.245 reaches one side of a call: tunnelled in its call signalling, or over a connection of
// its own that either end opens (H.323 8.2.1, 8.2.3). Each side of a call has one, and they need
// not be alike: what comes by one way on this side leaves by another on that.
//
//   the other side tunnels                 it does not
//   ----------------------------------     -----------------------------------------------------
//   Facility, or the next message to it    its h245Address is dialled; or it is told ours, in the
//                                          next message to it or by Facility (startH245)
//
// What is to be said meanwhile waits. Brain's thread.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "adapter/h323/connections.h"

namespace sallyport::adapter::h323 {

class ControlChannel {
 public:
  static constexpr std::size_t kMaxWaiting = 64;  // messages

  struct User {
    std::function<void(Bytes control, Commands&)> on_control;  // over the connection of its own
    std::function<void(Commands&)> on_open;                    // that connection stands
    std::function<void(Commands&)> on_listening;  // own_address() is there, or will not be
    std::function<void(Commands&)> on_closed;     // the far end closed that connection
    // Facility, with these messages in it; and one that asks to be called at this address.
    std::function<void(const std::vector<Buffer>& controls, Commands&)> tunnel;
    std::function<void(const TransportAddress& own, Commands&)> ask;
  };

  ControlChannel(Stack& stack, Connections& connections, User user)
      : stack_(stack), connections_(connections), user_(std::move(user)) {}

  // Where connections are made from and to, on this side.
  void set_place(Place place, const IpAddress& local) {
    place_ = place;
    local_ = local;
  }
  // This side has said whether it takes tunnelled H.245.
  void on_tunnelling(bool tunnels, Commands& out);
  // What is said to it of tunnelling; nothing else is known to be wrong.
  bool takes_tunnelled() const { return tunnelling_ != Tunnelling::No; }
  // H.245 goes there in call signalling, now; or might.
  bool tunnels() const { return tunnelling_ == Tunnelling::Yes && !is_open(); }
  bool may_tunnel() const { return takes_tunnelled() && !is_open(); }
  // It has no way yet, and has named no address itself.
  bool lacks_way() const { return tunnelling_ == Tunnelling::No && !is_open() && !theirs_; }
  // This side has said where it takes a connection for H.245.
  void on_address(const TransportAddress& address) { theirs_ = address; }
  // Messages have gone between us, so that a Facility would be understood.
  void on_signalling(Commands& out);

  // Put into Setup, before it is known whether they are understood there.
  void remember(std::vector<Buffer> controls) { tried_ = std::move(controls); }
  void send(Bytes control, Commands& out);
  // What waits, for the next message that goes there anyway; that tunnels.
  std::vector<Buffer> take_waiting() { return std::exchange(waiting_, {}); }
  // Sees to it that H.245 can be said on this side: the other one is there.
  void open(Commands& out);
  void dial(Commands& out);
  bool is_open() const { return open_; }

  // The message to this side says where we take a connection: listens, and on_listening follows if
  // own_address() is not there yet.
  void listen(Commands& out);
  bool is_listening_soon() const { return listener_ && !own_; }
  const std::optional<TransportAddress>& own_address() const { return own_; }
  // It was told.
  void on_told() { told_ = true; }

  // The other side's connection is closed: so is this one. Another may follow.
  void hang_up(Commands& out);
  void close(Commands& out);

 private:
  enum class Tunnelling : std::uint8_t { Unknown, Yes, No };

  Connections::Handler handler();
  void on_accepted(edge::ConnectionId id, const edge::Arrival& arrival, Commands& out);
  void on_opened(edge::ConnectionId id, Commands& out);
  void ask(Commands& out);
  void flush(Commands& out);

  Stack& stack_;
  Connections& connections_;
  User user_;
  Place place_;
  IpAddress local_;
  Tunnelling tunnelling_ = Tunnelling::Unknown;
  bool signalled_ = false;
  bool wanted_ = false;  // somebody has something to say
  std::optional<TransportAddress> theirs_;
  edge::ConnectionId id_;
  bool open_ = false;
  edge::ListenerId listener_;
  std::optional<TransportAddress> own_;
  bool told_ = false;
  bool closed_ = false;
  std::vector<Buffer> waiting_;
  std::vector<Buffer> tried_;
};

}  // namespace sallyport::adapter::h323
