// A SIP phone of the simulated world: registers, calls, answers, says its name and some noise in
// RTP every 20 ms, and remembers what it hears, whose, and when. As simple as a phone can be, and
// written on nothing of the adapter, so that it believes only what RFC 3261 says.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codec/sip/message.h"
#include "world.h"

namespace sallyport::sim {

class SimPhone {
 public:
  enum class State { Idle, Calling, Ringing, Established, Ended };

  // `server` is what it was told to register at and to send its requests to.
  SimPhone(World& world, RealmId realm, const TransportAddress& address, std::string user,
           std::string domain, const TransportAddress& server);
  ~SimPhone();
  SimPhone(const SimPhone&) = delete;
  SimPhone& operator=(const SimPhone&) = delete;

  void register_now();
  void call(const std::string& target_uri);
  void hold(bool held);  // re-INVITE: sendonly and silent, or sendrecv again
  void hang_up();

  bool registered() const { return registered_; }
  State state() const { return state_; }
  int last_status() const { return last_status_; }
  bool hears(const std::string& name) const { return heard_.contains(name); }
  // When this phone last heard anything, and its longest gap since the call was established.
  TimePoint heard_at() const { return heard_at_; }
  Duration longest_gap() const { return longest_gap_; }
  void forget_heard();
  std::size_t packets_heard() const { return packets_heard_; }
  // Each RTP packet that it sent or heard, since it forgot.
  struct Packet {
    TimePoint at;
    Buffer octets;
  };
  const std::vector<Packet>& said() const { return said_; }
  const std::vector<Packet>& heard() const { return heard_packets_; }
  // The address that the far side's SDP gave.
  const TransportAddress& far_media() const { return far_media_; }
  const std::vector<std::string>& received() const { return received_; }  // every message, whole

 private:
  void on_signalling(const TransportAddress& source, Bytes datagram);
  void on_request(const codec::sip::Message& message, const TransportAddress& source);
  void on_response(const codec::sip::Message& message);
  void send(const std::string& text, const TransportAddress& to);
  std::string request(const std::string& method, const std::string& uri, const std::string& to,
                      std::uint32_t cseq, const std::string& body);
  std::string sdp() const;
  void take_sdp(std::string_view body);
  void tick();
  void retransmit();

  World& world_;
  RealmId realm_;
  TransportAddress address_, media_;
  std::string user_, domain_;
  TransportAddress server_;
  std::string call_id_, local_tag_, remote_, remote_target_, from_, last_request_, answer_;
  std::vector<std::string> routes_;
  std::uint32_t cseq_ = 1;
  State state_ = State::Idle;
  bool registered_ = false, held_ = false, ringing_media_ = true;
  int last_status_ = 0;
  unsigned retries_ = 0;
  TransportAddress far_media_;
  std::uint16_t rtp_sequence_ = 0;
  std::uint32_t ssrc_ = 0;
  std::vector<Packet> said_, heard_packets_;
  std::map<std::string, unsigned> heard_;
  std::size_t packets_heard_ = 0;
  TimePoint heard_at_;
  Duration longest_gap_{};
  std::vector<std::string> received_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::sim
