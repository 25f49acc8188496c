#include "sim_phone.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/sdp/sdp.h"
#include "codec/sip/headers.h"
#include "codec/sip/uri.h"

namespace sallyport::sim {

using codec::sip::Builder;
using codec::sip::HeaderName;
using codec::sip::Message;
using codec::sip::Method;
using codec::sip::NameAddr;

namespace {
constexpr Duration kPacketEvery = milliseconds{20};
constexpr Duration kT1 = milliseconds{500};
constexpr unsigned kRetries = 6;

std::string contact_uri(std::string_view value) {
  const auto parsed = NameAddr::parse(value);
  return parsed ? std::string{parsed->uri.text} : std::string{};
}
}  // namespace

SimPhone::SimPhone(World& world, RealmId realm, const TransportAddress& address, std::string user,
                   std::string domain, const TransportAddress& server)
    : world_(world),
      realm_(realm),
      address_(address),
      media_{address.ip, static_cast<std::uint16_t>(address.port + 10)},
      user_(std::move(user)),
      domain_(std::move(domain)),
      server_(server),
      ssrc_(static_cast<std::uint32_t>(world.random().u64())) {
  world_.bind(realm_, address_,
              [this](const TransportAddress& source, Bytes b) { on_signalling(source, b); });
  world_.bind(realm_, media_, [this](const TransportAddress&, Bytes datagram) {
    if (datagram.size() <= 12) return;
    const std::string_view text = as_text(datagram.subspan(12));
    ++heard_[std::string{text.substr(0, text.find('\n'))}];
    heard_packets_.push_back({world_.now(), to_buffer(datagram)});
    ++packets_heard_;
    longest_gap_ = std::max(longest_gap_, world_.now() - heard_at_);
    heard_at_ = world_.now();
  });
  tick();
}

SimPhone::~SimPhone() {
  world_.unbind(realm_, address_);
  world_.unbind(realm_, media_);
}

void SimPhone::forget_heard() {
  heard_.clear();
  said_.clear();
  heard_packets_.clear();
  packets_heard_ = 0;
  heard_at_ = world_.now();
  longest_gap_ = {};
}

void SimPhone::send(const std::string& text, const TransportAddress& to) {
  world_.send(realm_, address_, to, as_bytes(text));
}

// One RTP packet every 20 ms while there is somewhere to send it.
void SimPhone::tick() {
  const bool talks = state_ == State::Established && !held_ && far_media_.port != 0;
  if (talks) {
    Buffer packet;
    Writer{packet}.u8(0x80).u8(0).u16(rtp_sequence_).u32(rtp_sequence_ * 160U).u32(ssrc_);
    Writer{packet}.bytes(as_bytes(user_ + '\n')).bytes(world_.random().array<60>());
    ++rtp_sequence_;
    world_.send(realm_, media_, far_media_, packet);
    said_.push_back({world_.now(), std::move(packet)});
  }
  world_.after(kPacketEvery, [this, alive = std::weak_ptr{alive_}] {
    if (alive.lock()) tick();
  });
}

std::string SimPhone::sdp() const {
  const std::string own = (address_.ip.is_v4() ? "IN IP4 " : "IN IP6 ") + address_.ip.to_string();
  return fmt::format(
      "v=0\r\no={} 1 1 {}\r\ns=-\r\nc={}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\na={}\r\n", user_, own,
      own, media_.port, held_ ? "sendonly" : "sendrecv");
}

void SimPhone::take_sdp(std::string_view body) {
  const auto description = codec::sdp::Description::parse(body);
  if (!description || description->media().empty()) return;
  if (const auto to = description->media().front().address(0)) far_media_ = *to;
}

std::string SimPhone::request(const std::string& method, const std::string& uri,
                              const std::string& to, std::uint32_t cseq, const std::string& body) {
  Builder out = Builder::request(method, uri);
  out.add(HeaderName::Via, fmt::format("SIP/2.0/UDP {};branch=z9hG4bK{};rport",
                                       address_.to_string(), world_.random().hex(6)));
  out.add(HeaderName::MaxForwards, "70");
  for (const std::string& route : routes_) out.add(HeaderName::Route, route);
  out.add(HeaderName::From, from_);
  out.add(HeaderName::To, to);
  out.add(HeaderName::CallId, call_id_);
  out.add(HeaderName::CSeq, fmt::format("{} {}", cseq, method));
  out.add(HeaderName::Contact, fmt::format("<sip:{}@{}>", user_, address_.to_string()));
  if (!body.empty()) out.body("application/sdp", body);
  return out.finish();
}

void SimPhone::register_now() {
  const std::string identity = fmt::format("<sip:{}@{}>", user_, domain_);
  call_id_ = world_.random().hex(8);
  from_ = identity + ";tag=" + world_.random().hex(4);
  routes_.clear();
  last_request_ = request("REGISTER", "sip:" + domain_, identity, cseq_++, "");
  send(last_request_, server_);
  retries_ = kRetries;
  retransmit();
}

void SimPhone::call(const std::string& target_uri) {
  call_id_ = world_.random().hex(8);
  local_tag_ = world_.random().hex(4);
  from_ = fmt::format("<sip:{}@{}>;tag={}", user_, domain_, local_tag_);
  remote_ = "<" + target_uri + ">";
  remote_target_ = target_uri;
  state_ = State::Calling;
  last_request_ = request("INVITE", target_uri, remote_, cseq_, sdp());
  send(last_request_, server_);
  retries_ = kRetries;
  retransmit();
}

void SimPhone::retransmit() {
  world_.after(kT1 * (1U << (kRetries - retries_)), [this, alive = std::weak_ptr{alive_}] {
    if (!alive.lock() || last_request_.empty() || retries_ == 0) return;
    --retries_;
    send(last_request_, server_);
    retransmit();
  });
}

void SimPhone::hold(bool held) {
  held_ = held;
  last_request_ = request("INVITE", remote_target_, remote_, ++cseq_, sdp());
  send(last_request_, server_);
  retries_ = kRetries;
  retransmit();
}

void SimPhone::hang_up() {
  last_request_ = request("BYE", remote_target_, remote_, ++cseq_, "");
  send(last_request_, server_);
  state_ = State::Ended;
  retries_ = kRetries;
  retransmit();
}

void SimPhone::on_signalling(const TransportAddress& source, Bytes datagram) {
  const auto message = Message::parse(datagram);
  if (!message) return;
  received_.emplace_back(message->text());
  if (message->is_request())
    on_request(*message, source);
  else
    on_response(*message);
}

void SimPhone::on_request(const Message& message, const TransportAddress& source) {
  if (message.method() == Method::Ack) return;
  const auto answer = [&](int status, const std::string& body) {
    Builder out =
        Builder::response(message, status, codec::sip::default_reason(status), local_tag_);
    for (const std::string_view route : message.list(HeaderName::RecordRoute))
      out.add(HeaderName::RecordRoute, route);
    out.add(HeaderName::Contact, fmt::format("<sip:{}@{}>", user_, address_.to_string()));
    if (!body.empty()) out.body("application/sdp", body);
    send(out.finish(), source);
  };
  switch (message.method()) {
    case Method::Invite: {
      if (state_ == State::Idle) {
        local_tag_ = world_.random().hex(4);
        call_id_ = std::string{*message.find(HeaderName::CallId)};
        remote_ = std::string{*message.find(HeaderName::From)};
        from_ = std::string{*message.find(HeaderName::To)} + ";tag=" + local_tag_;
        remote_target_ = contact_uri(*message.find(HeaderName::Contact));
        routes_.clear();
        for (const std::string_view r : message.list(HeaderName::RecordRoute))
          routes_.emplace_back(r);
        server_ = source;
        answer(180, "");
      }
      take_sdp(message.body());
      state_ = State::Established;
      forget_heard();
      return answer(200, sdp());
    }
    case Method::Bye:
      state_ = State::Ended;
      return answer(200, "");
    default:
      return answer(200, "");
  }
}

void SimPhone::on_response(const Message& message) {
  last_status_ = message.status();
  if (message.status() < 200) {
    last_request_.clear();  // RFC 3261 17.1.1.2: no more retransmissions of an INVITE
    return;
  }
  last_request_.clear();
  if (message.method() == Method::Register) {
    registered_ = message.status() == 200;
    return;
  }
  if (message.method() != Method::Invite) return;
  if (message.status() >= 300) {
    state_ = State::Ended;
    return;
  }
  remote_ = std::string{*message.find(HeaderName::To)};
  if (const auto contact = message.find(HeaderName::Contact))
    remote_target_ = contact_uri(*contact);
  routes_.clear();
  for (const std::string_view r : message.list(HeaderName::RecordRoute)) routes_.emplace_back(r);
  std::reverse(routes_.begin(), routes_.end());
  take_sdp(message.body());
  if (state_ == State::Calling) {
    state_ = State::Established;
    forget_heard();
  }
  send(request("ACK", remote_target_, remote_, cseq_, ""), server_);
}

}  // namespace sallyport::sim
