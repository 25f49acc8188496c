// A phone in a site's private network, which speaks SIP over UDP with its agent and with nobody
// else: registers, calls, answers at once, hangs up. Every site's phone has the same private
// address. Its datagrams come and go without loss, so it repeats nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "codec/sip/message.h"

namespace sallyport::bench {

constexpr const char* kDomain = "load.example";

// What is known of one call, by both of its phones.
struct Call {
  TimePoint began{};
  TimePoint established{};  // 200 at the caller
  bool answered = false;
  int refused_with = 0;                              // the final status that was no 200
  bool over = false;                                 // the BYE was answered
  std::uint16_t caller_media = 0, callee_media = 0;  // where the agents of the two take their RTP
  std::size_t caller_site = 0, callee_site = 0;
};

class Telephone {
 public:
  // Sends a datagram to the agent.
  using Send = std::function<void(const std::string& message)>;

  Telephone(std::size_t site, Random& random, std::vector<Call>& calls)
      : site_(site), random_(random), calls_(calls) {}

  void set_send(Send send) { send_ = std::move(send); }
  void register_here();
  bool registered() const { return registered_; }
  void call(std::size_t number, std::size_t callee_site, TimePoint now);
  void hang_up(std::size_t number);
  void on_message(Bytes datagram, TimePoint now);

 private:
  struct Dialog {
    std::size_t call = 0;
    std::string call_id, from, to, target;
    std::vector<std::string> routes;
    unsigned cseq = 1;
  };

  void on_request(const codec::sip::Message& request);
  void on_response(const codec::sip::Message& response, TimePoint now);
  codec::sip::Builder request(std::string_view method, const std::string& uri, const Dialog& dialog,
                              unsigned cseq);
  std::string user() const;
  std::string uri() const;

  std::size_t site_;
  Random& random_;
  std::vector<Call>& calls_;
  Send send_;
  bool registered_ = false;
  std::map<std::string, Dialog, std::less<>> dialogs_;  // of which we are the caller, by Call-ID
};

}  // namespace sallyport::bench
