#include "h323_endpoint/media.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace sallyport::h323_endpoint {
namespace {

constexpr std::size_t kRtpHeader = 12;
constexpr std::uint32_t kSsrc = 0x53415050;
constexpr std::uint32_t kReportEvery = 25;  // packets
constexpr std::uint8_t kSenderReport = 200;
constexpr std::uint8_t kSourceDescription = 202;
constexpr int kPortsTried = 2000;

// RFC 3551, and what the channel's capability says (capabilities.h).
std::uint8_t payload_type(Kind kind) {
  switch (kind) {
    case Kind::Audio:
      return 0;
    case Kind::Video:
      return 31;
    case Kind::Slides:
      return 96;
    default:
      return 97;
  }
}

}  // namespace

struct Media::Port {
  std::unique_ptr<net::DatagramSocket> rtp, rtcp;
  TransportAddress to, control_to;
  bool sends = false;
  std::uint32_t number = 0;
};

Media::Media(net::Network& network, const IpAddress& own, const Settings& settings,
             std::uint16_t& next_port, std::function<void(std::string)> on_complaint)
    : network_(network),
      own_(own),
      settings_(settings),
      next_port_(next_port),
      on_complaint_(std::move(on_complaint)) {}

Media::~Media() = default;

Media::Addresses Media::open(Kind kind) {
  auto& port = ports_[kind];
  if (!port) {
    port = std::make_unique<Port>();
    for (int i = 0; i < kPortsTried && !port->rtcp; ++i) {
      const std::uint16_t even = next_port_;
      next_port_ = next_port_ > 65000 ? settings_.first_media_port
                                      : static_cast<std::uint16_t>(next_port_ + 2);
      auto rtp = network_.open_datagrams(
          {own_, even}, {},
          [this, kind](const TransportAddress&, const IpAddress&, Bytes b) { on_packet(kind, b); });
      if (!rtp) continue;
      auto rtcp = network_.open_datagrams(
          {own_, static_cast<std::uint16_t>(even + 1)}, {},
          [this](const TransportAddress&, const IpAddress&, Bytes b) { on_control_packet(b); });
      if (!rtcp) continue;
      port->rtp = std::move(*rtp);
      port->rtcp = std::move(*rtcp);
    }
    if (!port->rtcp) {
      on_complaint_("no port is free for media");
      return {};
    }
  }
  return {{own_, port->rtp->local().port}, {own_, port->rtcp->local().port}};
}

void Media::send_to(Kind kind, const std::optional<TransportAddress>& rtp,
                    const std::optional<TransportAddress>& rtcp) {
  open(kind);
  Port& port = *ports_.at(kind);
  if (rtcp) port.control_to = *rtcp;
  if (!rtp) return;
  port.to = *rtp;
  port.sends = true;
  if (!settings_.sends_media || timer_) return;
  timer_ = network_.make_timer();
  tick();
}

void Media::stop_sending(Kind kind) {
  if (const auto it = ports_.find(kind); it != ports_.end()) it->second->sends = false;
}

bool Media::sends(Kind kind) const {
  const auto it = ports_.find(kind);
  return it != ports_.end() && it->second->sends;
}

TransportAddress Media::target(Kind kind) const {
  const auto it = ports_.find(kind);
  return it == ports_.end() ? TransportAddress{} : it->second->to;
}

void Media::tick() {
  for (auto& [kind, port] : ports_)
    if (port->sends) send_packet(kind, *port);
  timer_->start(network_.now() + settings_.packet_every, [this] { tick(); });
}

void Media::send_packet(Kind kind, Port& port) {
  const auto number = static_cast<std::uint16_t>(port.number);
  const std::string text = fmt::format("{}/{}/{}", settings_.name, name(kind), number);
  Buffer packet;
  if (kind == Kind::Fax) {  // UDPTL: number, one primary packet, no redundancy
    Writer{packet}.u16(number).u8(static_cast<std::uint8_t>(text.size())).bytes(as_bytes(text));
    Writer{packet}.u8(0).u8(0);
  } else {
    Writer{packet}
        .u8(0x80)
        .u8(payload_type(kind))
        .u16(number)
        .u32(port.number * 160)
        .u32(kSsrc)
        .bytes(as_bytes(text));
  }
  port.rtp->send({}, port.to, packet);
  if (kind != Kind::Fax && port.control_to.port != 0 && port.number % kReportEvery == 0)
    port.rtcp->send({}, port.control_to, sender_report(kind, port));
  ++port.number;
}

// RFC 3550 6.4.1 and 6.5: a sender report without blocks, and who that is.
Buffer Media::sender_report(Kind kind, const Port& port) const {
  const std::string who = settings_.name + "/" + std::string{name(kind)};
  Buffer description;
  Writer{description}
      .u32(kSsrc)
      .u8(1)
      .u8(static_cast<std::uint8_t>(who.size()))
      .bytes(as_bytes(who));
  do {
    description.push_back(0);
  } while (description.size() % 4 != 0);
  Buffer out;
  Writer{out}.u8(0x80).u8(kSenderReport).u16(6).u32(kSsrc).u64(0).u32(port.number * 160);
  Writer{out}.u32(port.number).u32(0);
  Writer{out}
      .u8(0x81)
      .u8(kSourceDescription)
      .u16(static_cast<std::uint16_t>(description.size() / 4))
      .bytes(description);
  return out;
}

void Media::on_packet(Kind kind, Bytes datagram) {
  Reader in{datagram};
  if (kind == Kind::Fax) {
    const std::uint16_t number = in.u16();
    const Bytes text = in.take(in.u8());
    if (!in.ok()) return on_complaint_("a UDPTL packet is cut short");
    return hear(as_text(text), number, kind);
  }
  if (in.u8() >> 6U != 2 || datagram.size() <= kRtpHeader)
    return on_complaint_("something other than RTP on a media port");
  if ((in.u8() & 0x7fU) != payload_type(kind))
    return on_complaint_(fmt::format("a strange payload type on {}", name(kind)));
  const std::uint16_t number = in.u16();
  hear(as_text(datagram.subspan(kRtpHeader)), number, kind);
}

void Media::hear(std::string_view text, std::uint32_t number, Kind kind) {
  const std::size_t slash = text.rfind('/');
  const std::string who{text.substr(0, slash)};
  std::uint32_t told = 0;
  if (slash != std::string_view::npos)
    std::from_chars(text.data() + slash + 1, text.data() + text.size(), told);
  if (slash == std::string_view::npos || told != number ||
      !who.ends_with("/" + std::string{name(kind)}))
    return on_complaint_(fmt::format("on {}, packet {}: \"{}\"", name(kind), number, text));
  Heard& heard = heard_[who];
  const TimePoint now = network_.now();
  if (!first_heard_at_) first_heard_at_ = now;
  if (heard.packets == 0) {
    heard.first_at = now;
  } else {
    const auto ahead = static_cast<std::int16_t>(number - heard.last);
    if (ahead > 0) {
      heard.missing += static_cast<std::uint64_t>(ahead - 1);
    } else {
      ++heard.late;
      if (ahead < 0 && heard.missing > 0) --heard.missing;
    }
    if (ahead <= 0) number = heard.last;
  }
  heard.last = number;
  heard.last_at = now;
  ++heard.packets;
}

void Media::on_control_packet(Bytes datagram) {
  Reader in{datagram};
  while (in.left() >= 4) {
    in.u8();
    const std::uint8_t type = in.u8();
    Reader body{in.take(std::size_t{in.u16()} * 4)};
    if (!in.ok()) return on_complaint_("RTCP cut short");
    if (type != kSourceDescription) continue;
    body.u32();
    body.u8();
    ++heard_[std::string{as_text(body.take(body.u8()))}].control_packets;
  }
}

// ---- T.120: a line of text in each direction ----

net::Stream::Handler Media::data_handler() {
  const auto hello = [this] {
    data_->send(as_bytes(fmt::format("{}/{}/0\n", settings_.name, name(Kind::Data))));
  };
  return {.on_connected = hello,
          .on_received = [this](Bytes octets) { on_data(octets); },
          .on_half_closed = {},
          .on_closed = [](const Error&) {},
          .on_drained = {}};
}

TransportAddress Media::listen() {
  for (int i = 0; i < kPortsTried && !data_listener_; ++i) {
    const std::uint16_t port = next_port_;
    next_port_ = static_cast<std::uint16_t>(next_port_ + 2);
    auto listener =
        network_.listen({own_, port}, {}, [this](std::unique_ptr<net::Stream> accepted) {
          data_ = std::move(accepted);
          auto handler = data_handler();
          handler.on_connected();
          data_->set_handler(std::move(handler));
        });
    if (listener) data_listener_ = std::move(*listener);
  }
  return {own_, data_listener_ ? data_listener_->local().port : std::uint16_t{0}};
}

void Media::connect(const TransportAddress& to) {
  data_ = network_.connect(to, {}, data_handler());
}

void Media::on_data(Bytes octets) {
  data_text_ += as_text(octets);
  for (std::size_t end = 0; (end = data_text_.find('\n')) != std::string::npos;) {
    hear(data_text_.substr(0, end), 0, Kind::Data);
    data_text_.erase(0, end + 1);
  }
}

Heard Media::heard(const std::string& speaker, Kind kind) const {
  const auto it = heard_.find(speaker + "/" + std::string{name(kind)});
  return it == heard_.end() ? Heard{} : it->second;
}

void Media::close() {
  timer_.reset();
  ports_.clear();
  data_.reset();
  data_listener_.reset();
}

}  // namespace sallyport::h323_endpoint
