// HTTP CONNECT (RFC 9110 section 9.3.6), as whoever asks a proxy for a tunnel has it: the request,
// and a reader for the header of the answer. Of HTTP it takes no more than that; what does not look
// like an HTTP/1 answer is an error, and a proxy cannot make us keep more than kMaxAnswer octets.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/host_port.h"
#include "base/result.h"

namespace sallyport::codec::http {

// For Basic authentication (RFC 7617): no colon in the user, no control character in either.
struct Credentials {
  std::string user;
  std::string password;
};
bool are_fit(const Credentials& credentials);

// The whole request. `target` has a port.
std::string encode_connect(const HostPort& target, const std::optional<Credentials>& credentials);

struct ConnectAnswer {
  unsigned status = 0;       // 200 to 599; 2xx: the tunnel is open
  bool takes_basic = false;  // it named Basic among the ways of authentication
  bool opens_tunnel() const { return status < 300; }
};

// Collects the header block of the answer, with those of interim answers (1xx) before it.
class ConnectAnswerReader {
 public:
  static constexpr std::size_t kMaxAnswer = std::size_t{16} * 1024;  // header blocks in all

  // More octets: the answer once its header block is whole, nothing before that. An error is final,
  // and so is an answer: neither is fed again. What follows the header block is rest().
  Result<std::optional<ConnectAnswer>> feed(Bytes octets);
  // A refusal's body, of no interest; behind an answer that opens the tunnel, the tunnel's octets.
  Bytes rest() const { return as_bytes(text_).subspan(read_); }

 private:
  std::optional<std::string_view> next_line();
  Result<std::optional<ConnectAnswer>> take(std::string_view line);

  std::string text_;
  std::size_t read_ = 0;                 // what of it was taken in lines
  std::optional<ConnectAnswer> answer_;  // its status line has come
};

}  // namespace sallyport::codec::http
