#include "control/control_session.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "control.pb.h"

namespace sallyport::control {
namespace {

constexpr std::size_t kLengthOctets = 4;

bool is_edge_business(const wire::Envelope& message) {
  // Commands and events have the numbers between the opening exchange and the housekeeping.
  return message.body_case() >= wire::Envelope::kListen &&
         message.body_case() <= wire::Envelope::kTlsStarted;
}

}  // namespace

ControlSession::ControlSession(mux::Multiplex& multiplex, const Clocks& clocks, Handler handler)
    : multiplex_(multiplex), clocks_(clocks), handler_(std::move(handler)) {
  // It would tell standard error of every message that it cannot read: a far side could fill the
  // log.
  google::protobuf::SetLogHandler(nullptr);
  multiplex_.set_observer(*this);
}

void ControlSession::send(const wire::Envelope& message) {
  Buffer out(kLengthOctets + message.ByteSizeLong());
  const auto length = static_cast<std::uint32_t>(out.size() - kLengthOctets);
  for (unsigned i = 0; i < kLengthOctets; ++i)
    out[i] = static_cast<std::uint8_t>(length >> (8 * (kLengthOctets - 1 - i)));
  message.SerializeToArray(out.data() + kLengthOctets, static_cast<int>(length));
  multiplex_.send(mux::kControlChannel, out);
}

void ControlSession::on_control(Bytes octets) {
  // Usually an envelope arrives whole and is read where it lies.
  if (!partial_.empty()) {
    partial_.insert(partial_.end(), octets.begin(), octets.end());
    octets = partial_;
  }
  std::size_t done = 0;
  while (octets.size() - done >= kLengthOctets && !over_) {
    const std::size_t length = Reader{octets.subspan(done)}.u32();
    if (length > kMaxEnvelope) return violated({Errc::BadValue, "control message too long"});
    if (octets.size() - done - kLengthOctets < length) break;
    if (const auto ok = dispatch(octets.subspan(done + kLengthOctets, length)); !ok)
      return violated(ok.error());
    done += kLengthOctets + length;
  }
  partial_ = to_buffer(octets.subspan(done));
  if (partial_.empty()) partial_.shrink_to_fit();  // thousands of idle sessions
}

Result<void> ControlSession::dispatch(Bytes envelope) {
  wire::Envelope message;
  if (!message.ParseFromArray(envelope.data(), static_cast<int>(envelope.size())))
    return fail(Errc::BadValue, "control message cannot be read");
  // A message of a later version that we do not know changes nothing.
  if (message.body_case() == wire::Envelope::BODY_NOT_SET) return {};
  if (!is_edge_business(message)) return handler_.on_message(message);
  if (part_ == nullptr) return fail(Errc::BadValue, "command or event before the opening exchange");
  return part_->on_message(message);
}

void ControlSession::violated(const Error& why) {
  over_ = true;
  multiplex_.close(mux::CloseCode::ProtocolError, why.what);
  handler_.on_gone(why);
}

void ControlSession::on_channel(mux::ChannelId id, const mux::StreamHeader& header) {
  if (part_ == nullptr) return multiplex_.reset(id);
  part_->on_channel(id, header);
}

void ControlSession::on_received(mux::ChannelId id, Bytes octets) {
  if (over_) return;
  if (id == mux::kControlChannel) return on_control(octets);
  if (part_ != nullptr) part_->on_received(id, octets);
}

void ControlSession::on_datagram(mux::ChannelId id, const TransportAddress& local,
                                 const TransportAddress& remote, Bytes datagram) {
  if (part_ != nullptr) part_->on_datagram(id, local, remote, datagram);
}

void ControlSession::on_half_closed(mux::ChannelId id) {
  if (id == mux::kControlChannel) return violated({Errc::Closed, "control channel closed"});
  if (part_ != nullptr) part_->on_half_closed(id);
}

void ControlSession::on_closed(mux::ChannelId id, const Error& why) {
  if (id == mux::kControlChannel) return violated({Errc::Closed, "control channel closed"});
  if (part_ != nullptr) part_->on_closed(id, why);
}

void ControlSession::on_writable(mux::ChannelId id) {
  if (part_ != nullptr) part_->on_writable(id);
}

void ControlSession::on_attached(std::uint64_t connection_number) {
  if (handler_.on_attached) handler_.on_attached(connection_number);
}

void ControlSession::on_detached(const Error& why) {
  if (handler_.on_detached) handler_.on_detached(why);
}

void ControlSession::on_gone(const Error& why) {
  if (over_) return;
  over_ = true;
  handler_.on_gone(why);
}

}  // namespace sallyport::control
