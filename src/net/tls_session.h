// TLS over one non-blocking socket, tried first and waited for only when it says so. Used by
// host_stream.cc alone. The socket must stay open as long as this lives.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "net/network.h"

struct ssl_st;  // OpenSSL's SSL
struct bio_method_st;

namespace sallyport::net {

// What came of one try to read, write or shake hands.
enum class Io : std::uint8_t { Done, WantsRead, WantsWrite, Ended, Failed };
struct IoResult {
  Io state = Io::Done;
  std::size_t octets = 0;                         // Done: how many were read or written
  Error error{.code = Errc::Closed, .what = ""};  // Failed
};

class TlsSession {
 public:
  // BadValue when the context verifies names and `options` has none.
  static Result<std::unique_ptr<TlsSession>> begin(int socket, const TlsOptions& options,
                                                   bool as_server);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  IoResult handshake();
  IoResult read(MutableBytes out);  // Ended: close_notify came
  IoResult write(Bytes octets);     // some of them; to be tried again with at least as many
  IoResult send_close_notify();

  Buffer peer_certificate() const;
  std::string alpn() const;
  bool export_key(std::string_view label, Bytes context, MutableBytes out) const;

 private:
  explicit TlsSession(int socket) : socket_{.fd = socket} {}
  IoResult outcome(int returned, std::size_t octets);

  struct Socket {  // what the BIO is given
    int fd = -1;
    bool at_end = false;
  };
  Socket socket_;
  ssl_st* ssl_ = nullptr;
  std::shared_ptr<TlsContext> context_;  // OpenSSL's callbacks point to it

  friend struct SocketBio;
};

}  // namespace sallyport::net
