// As much of rtpengine's control protocol ("ng": a cookie and a bencoded dictionary over UDP) as it
// takes to set up calls that it relays.
#pragma once

#include <netinet/in.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/transport_address.h"

namespace sallyport::bench {

class Rtpengine {
 public:
  // Throws std::system_error when no socket can be had.
  explicit Rtpengine(const TransportAddress& control);
  Rtpengine(const Rtpengine&) = delete;
  Rtpengine& operator=(const Rtpengine&) = delete;
  ~Rtpengine();

  Result<void> ping();
  // An offer from `caller` and the answer from `callee`: where each of them must send to.
  struct Call {
    TransportAddress for_caller;
    TransportAddress for_callee;
  };
  Result<Call> begin(std::string_view call_id, const TransportAddress& caller,
                     const TransportAddress& callee);

 private:
  Result<std::string> request(const std::string& dictionary);
  Result<TransportAddress> media(std::string_view command, std::string_view call_id,
                                 const TransportAddress& from);

  int socket_ = -1;
  sockaddr_in control_{};
  unsigned next_cookie_ = 1;
};

}  // namespace sallyport::bench
