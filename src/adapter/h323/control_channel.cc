#include "adapter/h323/control_channel.h"

namespace sallyport::adapter::h323 {

void ControlChannel::on_tunnelling(bool tunnels, Commands& out) {
  const bool was_unknown = tunnelling_ == Tunnelling::Unknown;
  tunnelling_ = tunnels ? Tunnelling::Yes : Tunnelling::No;
  if (was_unknown) {
    // What Setup carried was not read, then; the sender thinks that it was.
    const auto tried = std::exchange(tried_, {});
    if (!tunnels) waiting_.insert(waiting_.begin(), tried.begin(), tried.end());
  }
  flush(out);
}

void ControlChannel::on_signalling(Commands& out) {
  signalled_ = true;
  flush(out);
}

void ControlChannel::send(Bytes control, Commands& out) {
  if (closed_) return;
  if (open_) return connections_.send(id_, control, out);
  if (waiting_.size() >= kMaxWaiting) return stack_.counters.add("h245_queue_full");
  waiting_.push_back(to_buffer(control));
  flush(out);
}

void ControlChannel::open(Commands& out) {
  wanted_ = true;
  flush(out);
}

// Brings what waits, or what is wanted, on its way.
void ControlChannel::flush(Commands& out) {
  if (closed_ || (waiting_.empty() && !wanted_)) return;
  if (open_) {
    for (const Buffer& control : take_waiting()) connections_.send(id_, control, out);
    return;
  }
  if (tunnelling_ == Tunnelling::Yes) {
    if (signalled_ && !waiting_.empty()) user_.tunnel(take_waiting(), out);
    return;
  }
  if (id_) return;  // under way
  if (theirs_) return dial(out);
  if (tunnelling_ == Tunnelling::No) ask(out);
}

void ControlChannel::dial(Commands& out) {
  if (closed_ || id_ || !theirs_) return;
  id_ = connections_.dial(place_, *theirs_, Connections::Framing::Tpkt, handler(), out);
}

void ControlChannel::ask(Commands& out) {
  if (told_ || !signalled_) return;
  listen(out);
  if (!own_) return;
  told_ = true;
  user_.ask(*own_, out);
}

Connections::Handler ControlChannel::handler() {
  Connections::Handler handler;
  handler.on_open = [this](edge::ConnectionId id, const edge::Addresses&, Commands& at) {
    on_opened(id, at);
  };
  handler.on_payload = [this](edge::ConnectionId, Bytes control, Commands& at) {
    user_.on_control(control, at);
  };
  handler.on_gone = [this](edge::ConnectionId, Errc, Commands& at) {
    id_ = {};
    theirs_.reset();
    if (!std::exchange(open_, false)) {
      stack_.counters.add("h245_unreachable");
      return flush(at);
    }
    user_.on_closed(at);
  };
  return handler;
}

void ControlChannel::on_opened(edge::ConnectionId id, Commands& out) {
  id_ = id;
  open_ = true;
  own_.reset();  // for another one there would be another port
  told_ = false;
  if (listener_) connections_.close(std::exchange(listener_, {}), out);
  flush(out);
  user_.on_open(out);
}

void ControlChannel::listen(Commands& out) {
  if (listener_ || own_ || closed_) return;
  Connections::ListenHandler handler;
  handler.on_listening = [this](const TransportAddress& local, Commands& at) {
    own_ = local;
    user_.on_listening(at);
    flush(at);
  };
  handler.on_accepted = [this](edge::ConnectionId id, const edge::Arrival& arrival, Commands& at) {
    on_accepted(id, arrival, at);
  };
  handler.on_failed = [this](Commands& at) {
    listener_ = {};
    user_.on_listening(at);
  };
  listener_ = connections_.listen(place_, local_, std::nullopt, std::move(handler), out);
}

void ControlChannel::on_accepted(edge::ConnectionId id, const edge::Arrival& arrival,
                                 Commands& out) {
  listener_ = {};
  // Both ends have dialled at once: the connection that stands first is taken.
  if (id_ && !open_) connections_.close(std::exchange(id_, {}), out);
  if (!connections_.adopt(place_, id, arrival, Connections::Framing::Tpkt, handler(), out)) return;
  on_opened(id, out);
}

void ControlChannel::hang_up(Commands& out) {
  if (!std::exchange(open_, false)) return;
  wanted_ = false;
  theirs_.reset();
  connections_.finish(std::exchange(id_, {}), out);
}

void ControlChannel::close(Commands& out) {
  closed_ = true;
  open_ = false;
  waiting_.clear();
  if (listener_) connections_.close(std::exchange(listener_, {}), out);
  if (id_) connections_.finish(std::exchange(id_, {}), out);
}

}  // namespace sallyport::adapter::h323
