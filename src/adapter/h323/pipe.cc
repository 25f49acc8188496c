#include "adapter/h323/pipe.h"

#include <utility>

namespace sallyport::adapter::h323 {
namespace {

constexpr Duration kListenLimit = seconds{60};

}  // namespace

std::shared_ptr<Pipe> Pipe::open(Connections& connections, const Ends& ends,
                                 std::function<void(Commands&)> on_change, Commands& out) {
  const auto pipe = std::make_shared<Pipe>(connections, ends);
  const std::weak_ptr<Pipe> weak = pipe;
  Connections::ListenHandler handler;
  handler.on_listening = [weak, on_change](const TransportAddress& local, Commands& at) {
    const auto self = weak.lock();
    if (!self) return;
    self->own_ = local;
    on_change(at);
  };
  handler.on_accepted = [weak](edge::ConnectionId id, const edge::Arrival& arrival, Commands& at) {
    if (const auto self = weak.lock()) self->on_accepted(id, arrival, at);
  };
  handler.on_failed = [weak, on_change](Commands& at) {
    const auto self = weak.lock();
    if (!self || std::exchange(self->failed_, true)) return;
    on_change(at);
  };
  pipe->listener_ =
      connections.listen(ends.listening, ends.local, kListenLimit, std::move(handler), out);
  return pipe;
}

Connections::Handler Pipe::handler(std::size_t end) {
  const std::weak_ptr<Pipe> weak = weak_from_this();
  Connections::Handler handler;
  handler.on_payload = [weak, end](edge::ConnectionId, Bytes octets, Commands& at) {
    if (const auto self = weak.lock()) self->connections_.send(self->ids_[1 - end], octets, at);
  };
  handler.on_gone = [weak](edge::ConnectionId, Errc, Commands& at) {
    if (const auto self = weak.lock()) self->close(at);
  };
  return handler;
}

void Pipe::on_accepted(edge::ConnectionId id, const edge::Arrival& arrival, Commands& out) {
  if (!connections_.adopt(ends_.listening, id, arrival, Connections::Framing::None, handler(0),
                          out))
    return;
  ids_[0] = id;
  ids_[1] = connections_.dial(ends_.target_place, ends_.target, Connections::Framing::None,
                              handler(1), out);
}

void Pipe::close(Commands& out) {
  connections_.close(listener_, out);
  for (edge::ConnectionId& id : ids_) connections_.finish(std::exchange(id, {}), out);
}

}  // namespace sallyport::adapter::h323
