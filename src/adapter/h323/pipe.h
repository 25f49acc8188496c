// A TCP connection that a terminal asks for beside its signalling (T.120, T.38 over TCP): we listen
// where the other side is to dial, dial the terminal once somebody has, and carry what comes.
// Brain's thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "adapter/h323/connections.h"

namespace sallyport::adapter::h323 {

class Pipe : public std::enable_shared_from_this<Pipe> {
 public:
  struct Ends {
    Place listening, target_place;
    IpAddress local;  // to listen on
    TransportAddress target;
  };
  // `on_change`: it listens, or will not.
  static std::shared_ptr<Pipe> open(Connections& connections, const Ends& ends,
                                    std::function<void(Commands&)> on_change, Commands& out);

  Pipe(Connections& connections, const Ends& ends) : connections_(connections), ends_(ends) {}
  // Where it listens, as the edge has it.
  const std::optional<TransportAddress>& own() const { return own_; }
  bool has_failed() const { return failed_; }
  void close(Commands& out);

 private:
  Connections::Handler handler(std::size_t end);
  void on_accepted(edge::ConnectionId id, const edge::Arrival& arrival, Commands& out);

  Connections& connections_;
  Ends ends_;
  edge::ListenerId listener_;
  std::optional<TransportAddress> own_;
  bool failed_ = false;
  std::array<edge::ConnectionId, 2> ids_;  // accepted, dialled
};
using PipePtr = std::shared_ptr<Pipe>;

}  // namespace sallyport::adapter::h323
