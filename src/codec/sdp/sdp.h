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
  std::string_view kind;       // "audio", "video", "image", "application"
  std::string_view protocol;   // "RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udptl", "TCP/MSRP"
  std::string_view formats;    // the rest of the m= line
  std::string_view port_text;  // port and count as they stand in the m= line
  std::uint16_t port = 0;      // 0: rejected or not wanted (RFC 3264 5.1, 6)
  unsigned port_count = 1;     // "49170/2"
  std::string_view host;       // of its own c=, else of the session's; name or address; empty: none
  bool own_connection = false;                // has its own c=
  std::optional<std::uint16_t> rtcp_port;     // a=rtcp (RFC 3605)
  std::string_view rtcp_host;                 // of a=rtcp; empty: that of the media
  bool rtcp_mux = false;                      // a=rtcp-mux (RFC 5761)
  Direction direction = Direction::SendRecv;  // own, else the session's
  bool has_candidates = false;  // a=candidate, a=remote-candidates, a=end-of-candidates
  bool has_ice = false;         // a=ice-ufrag, own or the session's

  bool is_rtp() const;  // RTP/..., .../RTP/...: a port pair, or one port with rtcp-mux
  // RTP, udptl, UDP/..., DTLS/SCTP: can be relayed as datagrams. What is not (TCP/MSRP, TCP/BFCP,
  // TCP/RTP/AVP, unknown protocols) must be rejected with Editor::reject_media().
  bool is_udp() const;
  // Held in the old way (RFC 2543): c=0.0.0.0. With ICE and port 9 the null address means only
  // that the candidates follow (RFC 8840 4.1.1), which is no hold.
  bool null_connection() const;
  // Where its media (component 0) or RTCP (1) goes, when the host is an address. NotFound for port
  // 0, a name, or the null address; RTCP is port + 1 unless a=rtcp says otherwise, the media's own
  // with rtcp-mux.
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
  std::string_view origin() const;  // the value of o=
  // The values of every a=name or a=name:value of media i, in order; empty text without value.
  // Names of attributes are case-sensitive (RFC 8866 5.13).
  std::vector<std::string_view> attributes(std::size_t media, std::string_view name) const;
  std::vector<std::string_view> session_attributes(std::string_view name) const;
  // The value of the b= line of this type ("AS", "TIAS"; RFC 8866 5.8), if it has one.
  std::optional<std::uint64_t> bandwidth(std::size_t media, std::string_view type) const;
  std::optional<std::uint64_t> session_bandwidth(std::string_view type) const;
  std::string_view text() const { return text_; }

 private:
  friend class Editor;
  struct Line {
    char type;               // 0: not of the form x=...
    std::string_view value;  // behind "x=", without the line end
    std::size_t offset;      // of the type letter in text_
    std::size_t end;         // behind its line end
    int media;               // index of its m= section, -1: session
  };
  Result<Media> parse_media(const Line& line) const;
  void index_line(const Line& line);
  void inherit();
  std::vector<std::string_view> attributes_of(int media, std::string_view name) const;
  std::optional<std::uint64_t> bandwidth_of(int media, std::string_view type) const;

  std::string_view session_host_;
  bool session_connection_ = false;
  std::string_view text_;
  std::vector<Line> lines_;
  std::vector<Media> media_;
};

// What a description becomes on the other side of us. Every c= and o= address, m= port, a=rtcp and
// connection-bearing attribute is replaced; candidates and ICE lines (a=candidate,
// a=remote-candidates, a=end-of-candidates, a=ice-*, a=altc, a=alt), source filters (RFC 4570) and
// the traces of other NAT helpers (a=oldmediaip) are removed, since the address given is the only
// one; a=path of MSRP goes with a rejected stream; a=fingerprint, a=crypto, a=setup, a=tls-id are
// never touched. Nor is text for people (s=, i=, u=, e=, p=): whether it tells an address,
// sip::find_addresses says. Without any edit the text comes out as it went in.
class Editor {
 public:
  explicit Editor(const Description& description) : description_(description) {}
  // Media i is reached here: RTP (or whatever it is) at rtp; RTCP at rtcp where given (a=rtcp is
  // written unless it is rtp's port + 1 on the same address, or rtp itself, which is rtcp-mux). An
  // old-style hold (c=0.0.0.0) stays one. A count of ports (49170/2) is dropped: one is opened.
  void set_media(std::size_t index, const TransportAddress& rtp,
                 const std::optional<TransportAddress>& rtcp);
  void reject_media(std::size_t index);  // port 0
  // The address for o=, the session's c=, and every media that is not placed. Unless given, that
  // of the first media placed.
  void set_session_address(const IpAddress& address);
  std::string finish() const;

 private:
  struct Place {
    TransportAddress rtp;
    std::optional<TransportAddress> rtcp;
  };
  struct Output;  // what finish() is building
  bool empty() const;
  bool is_rejected(std::size_t index) const;
  const Place* place(int media) const;
  std::optional<IpAddress> session_ip() const;
  bool session_is_held() const;
  void write_line(const Description::Line& line, Output& out) const;
  void write_connection(const Description::Line& line, Output& out) const;
  void write_attribute(const Description::Line& line, Output& out) const;
  void begin_media(const Description::Line& line, Output& out) const;
  void end_media(Output& out) const;
  bool lacks_connection(std::size_t index) const;

  const Description& description_;
  std::vector<std::optional<Place>> places_;
  std::vector<bool> rejected_;
  std::optional<IpAddress> session_address_;
};

}  // namespace sallyport::codec::sdp
