// The endpoint's side of RAS: finds its gatekeeper, registers and stays registered, asks for calls,
// bandwidth and their end. Requests are repeated until they are answered.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "codec/h323/messages.h"
#include "h323_endpoint/call.h"
#include "h323_endpoint/settings.h"
#include "net/network.h"

namespace sallyport::h323_endpoint {

class RasClient {
 public:
  using OnEvent = std::function<void(const std::string& what, const std::string& detail)>;

  RasClient(net::Network& network, const IpAddress& own, const Settings& settings, Random& random,
            OnEvent on_event);

  void start();
  void unregister();
  void admit(const Call& call, std::function<void(const Admission&)> on_answer);
  void disengage(const Call& call);
  void request_bandwidth(const Call& call, std::uint32_t bandwidth);  // in 100 bit/s

  bool registered() const { return !endpoint_.empty(); }
  const std::string& endpoint_identifier() const { return endpoint_; }

 private:
  using RasMessage = codec::h225::RasMessage;
  using OnAnswer = std::function<void(codec::per::View<RasMessage>)>;
  struct Pending {
    codec::per::Message message;
    OnAnswer on_answer;
    std::unique_ptr<net::Timer> timer;
    unsigned tries = 0;
  };

  void discover();
  void send_registration(bool keep_alive);
  void send(std::uint16_t number, codec::per::Message message, OnAnswer on_answer);
  void transmit(std::uint16_t number);
  void reply(codec::per::Message& message);
  void on_datagram(const TransportAddress& source, Bytes octets);
  void on_request(codec::per::View<RasMessage> message);
  void keep_registered(std::uint32_t time_to_live);

  net::Network& network_;
  IpAddress own_;
  const Settings& settings_;
  Random& random_;
  OnEvent on_event_;
  std::unique_ptr<net::DatagramSocket> socket_;
  TransportAddress gatekeeper_;
  std::string gatekeeper_identifier_, endpoint_;
  TransportAddress call_address_;  // the gatekeeper's
  bool granted_to_call_ = false, granted_to_answer_ = false;
  std::uint16_t next_number_ = 1;
  std::map<std::uint16_t, Pending> pending_;
  std::unique_ptr<net::Timer> keep_timer_;
};

}  // namespace sallyport::h323_endpoint
