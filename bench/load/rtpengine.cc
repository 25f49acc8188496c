#include "load/rtpengine.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

namespace sallyport::bench {
namespace {

std::string bencoded(std::string_view text) {
  return std::to_string(text.size()) + ":" + std::string(text);
}

// The string that follows `key` in a bencoded dictionary; empty if there is none.
std::string_view value_of(std::string_view dictionary, std::string_view key) {
  const std::size_t at = dictionary.find(bencoded(key));
  if (at == std::string_view::npos) return {};
  dictionary.remove_prefix(at + bencoded(key).size());
  std::size_t length = 0;
  const auto [end, error] =
      std::from_chars(dictionary.data(), dictionary.data() + dictionary.size(), length);
  if (error != std::errc{}) return {};
  const auto digits = static_cast<std::size_t>(end - dictionary.data());
  return dictionary.substr(digits + 1, length);
}

std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t from = text.find(before);
  if (from == std::string_view::npos) return {};
  text.remove_prefix(from + before.size());
  return text.substr(0, text.find_first_of(after));
}

std::string sdp_of(const TransportAddress& media) {
  const std::string ip = media.ip.to_string();
  return "v=0\r\no=- 1 1 IN IP4 " + ip + "\r\ns=-\r\nc=IN IP4 " + ip + "\r\nt=0 0\r\nm=audio " +
         std::to_string(media.port) + " RTP/AVP 0\r\na=sendrecv\r\n";
}

}  // namespace

Rtpengine::Rtpengine(const TransportAddress& control) {
  socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) throw std::system_error(errno, std::generic_category(), "socket");
  control_.sin_family = AF_INET;
  control_.sin_port = htons(control.port);
  std::memcpy(&control_.sin_addr, control.ip.octets().data(), 4);
}

Rtpengine::~Rtpengine() { ::close(socket_); }

Result<std::string> Rtpengine::request(const std::string& dictionary) {
  const std::string cookie = std::to_string(next_cookie_++);
  const std::string datagram = cookie + " " + dictionary;
  for (int tries = 0; tries < 5; ++tries) {
    ::sendto(socket_, datagram.data(), datagram.size(), 0,
             reinterpret_cast<const sockaddr*>(&control_), sizeof control_);
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, 1000) <= 0) continue;
    std::array<char, 8192> answer{};
    const ssize_t n = ::recv(socket_, answer.data(), answer.size(), 0);
    if (n <= 0) continue;
    std::string text{answer.data(), static_cast<std::size_t>(n)};
    if (text.starts_with(cookie + " ")) return text.substr(cookie.size() + 1);
  }
  return fail(Errc::Unreachable, "rtpengine does not answer");
}

Result<void> Rtpengine::ping() {
  const auto answer = request("d" + bencoded("command") + bencoded("ping") + "e");
  if (!answer) return tl::make_unexpected(answer.error());
  if (value_of(*answer, "result") != "pong") return fail(Errc::BadValue, "no pong");
  return {};
}

Result<TransportAddress> Rtpengine::media(std::string_view command, std::string_view call_id,
                                          const TransportAddress& from) {
  std::string dictionary = "d" + bencoded("command") + bencoded(command) + bencoded("call-id") +
                           bencoded(call_id) + bencoded("from-tag") + bencoded("caller");
  if (command == "answer") dictionary += bencoded("to-tag") + bencoded("callee");
  dictionary += bencoded("ICE") + bencoded("remove") + bencoded("sdp") + bencoded(sdp_of(from));
  const auto answer = request(dictionary + "e");
  if (!answer) return tl::make_unexpected(answer.error());
  const std::string_view sdp = value_of(*answer, "sdp");
  return TransportAddress::parse(std::string(between(sdp, "c=IN IP4 ", "\r\n")) + ":" +
                                 std::string(between(sdp, "m=audio ", " ")));
}

Result<Rtpengine::Call> Rtpengine::begin(std::string_view call_id, const TransportAddress& caller,
                                         const TransportAddress& callee) {
  const auto for_callee = media("offer", call_id, caller);
  if (!for_callee) return tl::make_unexpected(for_callee.error());
  const auto for_caller = media("answer", call_id, callee);
  if (!for_caller) return tl::make_unexpected(for_caller.error());
  return Call{.for_caller = *for_caller, .for_callee = *for_callee};
}

}  // namespace sallyport::bench
