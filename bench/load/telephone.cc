#include "load/telephone.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace sallyport::bench {
namespace {

using codec::sip::Builder;
using codec::sip::HeaderName;
using codec::sip::Message;
using codec::sip::Method;

constexpr const char* kAddress = "10.1.1.11:5060";
constexpr const char* kCallHeader = "X-Load-Call";  // which call it is: carried to the callee

std::string user_at(std::size_t site) { return fmt::format("sip:u{}@{}", site, kDomain); }

std::string offer() {
  return "v=0\r\no=- 1 1 IN IP4 10.1.1.11\r\ns=-\r\nc=IN IP4 10.1.1.11\r\nt=0 0\r\n"
         "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
}

std::size_t number_in(std::string_view text) {
  std::size_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::uint16_t audio_port(std::string_view sdp) {
  constexpr std::string_view kAudio = "m=audio ";
  const std::size_t at = sdp.find(kAudio);
  return at == std::string_view::npos
             ? std::uint16_t{0}
             : static_cast<std::uint16_t>(number_in(sdp.substr(at + kAudio.size())));
}

std::string_view in_brackets(std::string_view value) {
  const std::size_t begin = value.find('<');
  const std::size_t end = value.find('>');
  return begin == std::string_view::npos || end == std::string_view::npos
             ? value
             : value.substr(begin + 1, end - begin - 1);
}

}  // namespace

std::string Telephone::uri() const { return user_at(site_); }
std::string Telephone::user() const { return fmt::format("<sip:u{}@{}>", site_, kAddress); }

Builder Telephone::request(std::string_view method, const std::string& uri, const Dialog& dialog,
                           unsigned cseq) {
  Builder out = Builder::request(method, uri);
  out.add(HeaderName::Via,
          fmt::format("SIP/2.0/UDP {};branch=z9hG4bK{};rport", kAddress, random_.hex(8)));
  for (const std::string& route : dialog.routes) out.add(HeaderName::Route, route);
  out.add(HeaderName::MaxForwards, "70")
      .add(HeaderName::From, dialog.from)
      .add(HeaderName::To, dialog.to)
      .add(HeaderName::CallId, dialog.call_id)
      .add(HeaderName::CSeq, fmt::format("{} {}", cseq, method));
  return out;
}

void Telephone::register_here() {
  const Dialog dialog{.call_id = random_.hex(10),
                      .from = fmt::format("<{}>;tag={}", uri(), random_.hex(4)),
                      .to = fmt::format("<{}>", uri()),
                      .target = {},
                      .routes = {}};
  send_(request("REGISTER", fmt::format("sip:{}", kDomain), dialog, 1)
            .add(HeaderName::Contact, user())
            .add(HeaderName::Expires, "3600")
            .finish());
}

void Telephone::call(std::size_t number, std::size_t callee_site, TimePoint now) {
  const std::string callee = user_at(callee_site);
  Dialog dialog{.call = number,
                .call_id = random_.hex(10),
                .from = fmt::format("<{}>;tag={}", uri(), random_.hex(4)),
                .to = fmt::format("<{}>", callee),
                .target = callee,
                .routes = {}};
  Call& call = calls_.at(number);
  call.began = now;
  call.caller_site = site_;
  call.callee_site = callee_site;
  send_(request("INVITE", callee, dialog, 1)
            .add(HeaderName::Contact, user())
            .add_other(kCallHeader, std::to_string(number))
            .body("application/sdp", offer())
            .finish());
  dialogs_[dialog.call_id] = std::move(dialog);
}

void Telephone::hang_up(std::size_t number) {
  for (auto& [id, dialog] : dialogs_) {
    if (dialog.call != number) continue;
    send_(request("BYE", dialog.target, dialog, ++dialog.cseq).finish());
    return;
  }
}

void Telephone::on_message(Bytes datagram, TimePoint now) {
  const auto message = Message::parse(datagram);
  if (!message) return;
  if (message->is_request())
    on_request(*message);
  else
    on_response(*message, now);
}

void Telephone::on_request(const Message& request) {
  if (request.method() == Method::Ack) return;
  const auto answer = [&](int status, std::string_view reason) {
    Builder out = Builder::response(request, status, reason, "load");
    for (const std::string_view route : request.list(HeaderName::RecordRoute))
      out.add(HeaderName::RecordRoute, route);
    out.add(HeaderName::Contact, user());
    return out;
  };
  if (request.method() != Method::Invite) {
    send_(answer(200, "OK").finish());
    return;
  }
  const std::size_t number = number_in(request.find_other(kCallHeader).value_or(""));
  if (number < calls_.size()) calls_[number].callee_media = audio_port(request.body());
  send_(answer(180, "Ringing").finish());
  send_(answer(200, "OK").body("application/sdp", offer()).finish());
}

void Telephone::on_response(const Message& response, TimePoint now) {
  if (response.status() < 200) return;
  if (response.method() == Method::Register) {
    registered_ = response.status() == 200;
    return;
  }
  const auto found = dialogs_.find(response.find(HeaderName::CallId).value_or(""));
  if (found == dialogs_.end()) return;
  Dialog& dialog = found->second;
  Call& call = calls_.at(dialog.call);
  if (response.method() == Method::Bye) {
    call.over = response.status() == 200;
    dialogs_.erase(found);
    return;
  }
  if (response.status() >= 300) {
    call.refused_with = response.status();
    dialogs_.erase(found);  // its ACK belongs to the transaction: the agent is told by a timeout
    return;
  }
  if (!call.answered) {
    call.answered = true;
    call.established = now;
    call.caller_media = audio_port(response.body());
    dialog.to = response.find(HeaderName::To).value_or("");
    dialog.target = in_brackets(response.find(HeaderName::Contact).value_or(""));
    for (const std::string_view route : response.list(HeaderName::RecordRoute))
      dialog.routes.emplace_back(route);
    std::reverse(dialog.routes.begin(), dialog.routes.end());
  }
  send_(request("ACK", dialog.target, dialog, 1).finish());
}

}  // namespace sallyport::bench
