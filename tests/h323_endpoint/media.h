// The media of one call: for each kind of channel a pair of sockets (or a TCP connection), out of
// which goes who speaks and the number of the packet, and what has been heard, by speaker.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "h323_endpoint/settings.h"
#include "net/network.h"

namespace sallyport::h323_endpoint {

// What one speaker's packets of one kind told. A packet's text is "alice/audio/17", where 17 is its
// sequence number in RTP (or UDPTL), too.
struct Heard {
  std::uint64_t packets = 0;
  std::uint64_t control_packets = 0;  // RTCP with that CNAME
  std::uint64_t missing = 0;          // numbers skipped and not seen later
  std::uint64_t late = 0;             // out of order, or twice
  std::uint32_t last = 0;
  TimePoint first_at, last_at;
};

class Media {
 public:
  struct Addresses {
    TransportAddress rtp, rtcp;
  };

  Media(net::Network& network, const IpAddress& own, const Settings& settings,
        std::uint16_t& next_port, std::function<void(std::string)> on_complaint);
  Media(const Media&) = delete;
  Media& operator=(const Media&) = delete;
  ~Media();

  // Where this kind is received; opened at the first call.
  Addresses open(Kind kind);
  // Begins to send, or goes on elsewhere.
  void send_to(Kind kind, const std::optional<TransportAddress>& rtp,
               const std::optional<TransportAddress>& rtcp);
  void stop_sending(Kind kind);
  bool sends(Kind kind) const;
  // Where it sends to.
  TransportAddress target(Kind kind) const;
  // T.120: waits for a connection, or makes it; then both ends say who they are.
  TransportAddress listen();
  void connect(const TransportAddress& to);

  // What `speaker` was heard saying in this kind of channel.
  Heard heard(const std::string& speaker, Kind kind) const;
  void forget_heard() { heard_.clear(); }
  const std::map<std::string, Heard>& everything_heard() const { return heard_; }
  std::optional<TimePoint> first_heard_at() const { return first_heard_at_; }
  void close();

 private:
  struct Port;

  void tick();
  void send_packet(Kind kind, Port& port);
  void on_packet(Kind kind, Bytes datagram);
  void on_control_packet(Bytes datagram);
  void on_data(Bytes octets);
  void use(std::unique_ptr<net::Stream> stream);
  net::Stream::Handler data_handler();
  void hear(std::string_view text, std::uint32_t number, Kind kind);
  Buffer sender_report(Kind kind, const Port& port) const;

  net::Network& network_;
  IpAddress own_;
  const Settings& settings_;
  std::uint16_t& next_port_;
  std::function<void(std::string)> on_complaint_;
  std::map<Kind, std::unique_ptr<Port>> ports_;
  std::unique_ptr<net::Listener> data_listener_;
  std::unique_ptr<net::Stream> data_;
  std::string data_text_;
  std::map<std::string, Heard> heard_;
  std::optional<TimePoint> first_heard_at_;
  std::unique_ptr<net::Timer> timer_;
};

}  // namespace sallyport::h323_endpoint
