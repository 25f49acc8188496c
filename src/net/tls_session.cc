#include "net/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "net/socket.h"
#include "net/tls.h"

namespace sallyport::net {

// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE when the far end is gone.
struct SocketBio {
  static TlsSession::Socket& socket(BIO* bio) {
    return *static_cast<TlsSession::Socket*>(BIO_get_data(bio));
  }

  static int read(BIO* bio, char* out, int size) {
    BIO_clear_retry_flags(bio);
    const ssize_t n = ::recv(socket(bio).fd, out, static_cast<std::size_t>(size), 0);
    if (n == 0) socket(bio).at_end = true;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
      BIO_set_retry_read(bio);
    return static_cast<int>(n);
  }

  static int write(BIO* bio, const char* octets, int size) {
    BIO_clear_retry_flags(bio);
    const ssize_t n = ::send(socket(bio).fd, octets, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
      BIO_set_retry_write(bio);
    return static_cast<int>(n);
  }

  static long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
    switch (command) {
      case BIO_CTRL_FLUSH:
        return 1;
      case BIO_CTRL_EOF:
        return socket(bio).at_end ? 1 : 0;
      default:
        return 0;
    }
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sallyport socket");
      BIO_meth_set_read(m, read);
      BIO_meth_set_write(m, write);
      BIO_meth_set_ctrl(m, control);
      return m;
    }();
    return made;
  }
};

Result<std::unique_ptr<TlsSession>> TlsSession::begin(int socket, const TlsOptions& options,
                                                      bool as_server) {
  std::unique_ptr<TlsSession> session{new TlsSession(socket)};
  session->context_ = options.context;
  SSL* ssl = SSL_new(options.context->native());
  BIO* bio = BIO_new(SocketBio::method());
  if (ssl == nullptr || bio == nullptr) {
    SSL_free(ssl);
    BIO_free(bio);
    return fail(Errc::Exhausted, "no memory for TLS");
  }
  session->ssl_ = ssl;
  BIO_set_data(bio, &session->socket_);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  if (as_server) {
    SSL_set_accept_state(ssl);
    return session;
  }
  SSL_set_connect_state(ssl);
  const std::string& name = options.server_name;
  const bool is_address = IpAddress::parse(name).has_value();
  // RFC 6066 3: literal addresses are not permitted in the server name.
  if (!name.empty() && !is_address) {
    std::string sent = name;  // the macro SSL_set_tlsext_host_name casts const away
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, sent.data());
  }
  if (!options.context->verifies_name()) return session;
  if (name.empty()) return fail(Errc::BadValue, "no server name to verify");
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const int set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str())
                             : SSL_set1_host(ssl, name.c_str());
  if (set != 1) return fail(Errc::BadValue, "server name cannot be verified");
  return session;
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

IoResult TlsSession::handshake() {
  ERR_clear_error();
  return outcome(SSL_do_handshake(ssl_), 0);
}

IoResult TlsSession::read(MutableBytes out) {
  ERR_clear_error();
  std::size_t n = 0;
  const int returned = SSL_read_ex(ssl_, out.data(), out.size(), &n);
  return outcome(returned, n);
}

IoResult TlsSession::write(Bytes octets) {
  ERR_clear_error();
  std::size_t n = 0;
  const int returned = SSL_write_ex(ssl_, octets.data(), octets.size(), &n);
  return outcome(returned, n);
}

IoResult TlsSession::send_close_notify() {
  ERR_clear_error();
  const int returned = SSL_shutdown(ssl_);
  // 0: ours is sent, the far end's has not come; that is all a half close wants.
  return outcome(returned == 0 ? 1 : returned, 0);
}

IoResult TlsSession::outcome(int returned, std::size_t octets) {
  if (returned > 0) return {.state = Io::Done, .octets = octets};
  const int system = errno;
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      return {.state = Io::WantsRead};
    case SSL_ERROR_WANT_WRITE:
      return {.state = Io::WantsWrite};
    case SSL_ERROR_ZERO_RETURN:
      return {.state = Io::Ended};
    case SSL_ERROR_SYSCALL:
      return {.state = Io::Failed, .error = system_error(system)};
    default:
      break;
  }
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
    return {.state = Io::Failed,
            .error = {.code = Errc::Closed, .what = "connection cut without TLS close_notify"}};
  const long verified = SSL_get_verify_result(ssl_);
  if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
    return {.state = Io::Failed,
            .error = {.code = Errc::NotPermitted, .what = X509_verify_cert_error_string(verified)}};
  const char* reason = ERR_reason_error_string(code);
  return {.state = Io::Failed,
          .error = {.code = Errc::BadValue, .what = reason != nullptr ? reason : "TLS failed"}};
}

Buffer TlsSession::peer_certificate() const {
  X509* certificate = SSL_get1_peer_certificate(ssl_);
  if (certificate == nullptr) return {};
  return Certificate{certificate}.to_der();
}

std::string TlsSession::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

bool TlsSession::export_key(std::string_view label, Bytes context, MutableBytes out) const {
  return SSL_is_init_finished(ssl_) == 1 &&
         SSL_export_keying_material(ssl_, out.data(), out.size(), label.data(), label.size(),
                                    context.data(), context.size(), 1) == 1;
}

}  // namespace sallyport::net
