// The RAS requests that we make (URQ, DRQ, LRQ; towards outside gatekeepers all of them): numbered,
// repeated until they are answered (H.225.0 Table 6), given more time by RIP, and matched with
// their answers. Gatekeeper's; brain's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "adapter/h323/h235.h"
#include "adapter/h323/stack.h"
#include "adapter/hop.h"
#include "codec/h323/h225.schema.h"
#include "codec/per/message.h"

namespace sallyport::adapter::h323 {

// Sends a datagram from the listener of RAS at that place. False: there is none.
using SendRas = std::function<bool(const Hop& to, Bytes datagram, Commands& out)>;

class RasRequests {
 public:
  static constexpr std::size_t kMost = 10'000;

  // Null: nothing came of it.
  using OnAnswer = std::function<void(const codec::per::Message* answer, Commands& out)>;

  RasRequests(Stack& stack, H235& h235, SendRas send)
      : stack_(stack), h235_(h235), send_(std::move(send)) {}

  // `message` is a RasMessage whose requestSeqNum is set here. Signed where `sealing` says how.
  void send(codec::per::Message& message, const Hop& to, const std::optional<Sealing>& sealing,
            Commands& out, OnAnswer on_answer);

  // Is this an answer to one of them? RIP is, too.
  bool on_message(const codec::per::Message& message, Bytes octets, const Hop& from, Commands& out);
  void on_edge_lost(Place place, Commands& out);
  std::size_t size() const { return open_.size(); }

 private:
  struct Request {
    Buffer octets;
    Hop to;
    std::uint16_t kind = 0;  // the alternative of RasMessage
    unsigned left = 0;       // repetitions
    Duration patience{};
    TimerId timer{};
    std::optional<Sealing> sealing;
    OnAnswer on_answer;
  };

  void wait(std::uint16_t number, Duration patience, Commands& out);
  void on_silence(std::uint16_t number, Commands& out);
  void finish(std::uint16_t number, const codec::per::Message* answer, Commands& out);

  Stack& stack_;
  H235& h235_;
  SendRas send_;
  std::map<std::uint16_t, Request> open_;
};

}  // namespace sallyport::adapter::h323
