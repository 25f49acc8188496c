// The address of a Unix-domain socket: a path of at most 107 octets.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "base/result.h"

namespace sallyport::net {

class UnixAddress {
 public:
  static Result<UnixAddress> of(const std::string& path) {
    UnixAddress out;
    if (path.empty() || path.size() >= sizeof out.address_.sun_path)
      return fail(Errc::BadValue, "path of a Unix-domain socket: 1 to 107 octets");
    out.address_.sun_family = AF_UNIX;
    std::memcpy(out.address_.sun_path, path.c_str(), path.size() + 1);
    return out;
  }
  const sockaddr* any() const { return reinterpret_cast<const sockaddr*>(&address_); }
  static socklen_t size() { return sizeof(sockaddr_un); }

 private:
  sockaddr_un address_{};
};

}  // namespace sallyport::net
