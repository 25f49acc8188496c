// SDP (RFC 8866, 3264) as an index over its own octets, and the edits that put other addresses and
// ports into it. Lines that no edit touches leave octet for octet as they came. A body that is not
// SDP is not touched at all. Values; no I/O; fuzzed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/transport_address.h"

namespace sallyport::codec::sdp {

enum class Direction : std::uint8_t { SendRecv, SendOnly, RecvOnly, Inactive };

struct Media {
  std::string_view kind;      // "audio", "video", "image", "application"
  std::string_view protocol;  // "RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udptl", "TCP/MSRP"
  std::string_view formats;   // the rest of the m= line
  std::uint16_t port = 0;     // 0: rejected or not wanted (RFC 3264 5.1, 6)
  unsigned port_count = 1;    // "49170/2"
  std::string_view host;      // of its own c=, else of the session's; name or address; empty: none
  bool own_connection = false;                // has its own c=
  std::optional<std::uint16_t> rtcp_port;     // a=rtcp (RFC 3605)
  std::string_view rtcp_host;                 // of a=rtcp; empty: that of the media
  bool rtcp_mux = false;                      // a=rtcp-mux (RFC 5761)
  Direction direction = Direction::SendRecv;  // own, else the session's
  bool has_candidates = false;  // a=candidate, a=remote-candidates, a=end-of-candidates

  bool is_rtp() const;  // RTP/..., .../RTP/...: a port pair, or one port with rtcp-mux
  bool is_udp() const;  // RTP, udptl, UDP/...: can be relayed as datagrams
  // Held in the old way (RFC 2543): c=0.0.0.0.
  bool null_connection() const;
  // Where its media (component 0) or RTCP (1) goes, when the host is an address. NotFound for port
  // 0 or a name; RTCP is port + 1 unless a=rtcp says otherwise, the media's own with rtcp-mux.
  Result<TransportAddress> address(unsigned component) const;
};

constexpr std::size_t kMaxMedia = 32;

class Description {
 public:
  // The text must outlive the description. BadValue when it does not begin with v=0 or an m= line
  // cannot be read; Exhausted beyond kMaxMedia.
  static Result<Description> parse(std::string_view text);
  const std::vector<Media>& media() const { return media_; }
  std::string_view session_name() const;
  std::string_view text() const { return text_; }

 private:
  friend class Editor;
  struct Line {
    char type;
    std::string_view value;  // behind "x="
    std::size_t offset;      // of the type letter in text_
    int media;               // index of its m= section, -1: session
  };
  std::string_view text_;
  std::vector<Line> lines_;
  std::vector<Media> media_;
};

// What a description becomes on the other side of us. Every c= and o= address, m= port, a=rtcp and
// connection-bearing attribute is replaced; candidates and ICE lines (a=candidate,
// a=remote-candidates, a=end-of-candidates, a=ice-*) are removed, since the address given is the
// only one; a=fingerprint, a=crypto, a=setup, a=tls-id are never touched.
class Editor {
 public:
  explicit Editor(const Description& description) : description_(description) {}
  // Media i is reached here: RTP (or whatever it is) at rtp; RTCP at rtcp where given (a=rtcp is
  // written unless it is rtp's port + 1 on the same address, or muxed). An old-style hold
  // (c=0.0.0.0) stays one.
  void set_media(std::size_t index, const TransportAddress& rtp,
                 const std::optional<TransportAddress>& rtcp);
  void reject_media(std::size_t index);  // port 0
  // The address for o=, the session's c=, and media that has port 0.
  void set_session_address(const IpAddress& address);
  std::string finish() const;

 private:
  struct Place {
    TransportAddress rtp;
    std::optional<TransportAddress> rtcp;
  };
  const Description& description_;
  std::vector<std::optional<Place>> places_;
  std::vector<std::size_t> rejected_;
  std::optional<IpAddress> session_address_;
};

}  // namespace sallyport::codec::sdp
