#include "codec/sdp/sdp.h"

#include <algorithm>
#include <array>
#include <limits>

#include "codec/text.h"

namespace sallyport::codec::sdp {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

// The next word of a line; RFC 8866 has one space between words, devices have more.
std::string_view take_word(std::string_view& rest) {
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return take_until(rest, ' ');
}

std::string_view attribute_name(std::string_view value) { return value.substr(0, value.find(':')); }
std::string_view attribute_value(std::string_view value) {
  const std::size_t colon = value.find(':');
  return colon == kNone ? value.substr(value.size()) : trim(value.substr(colon + 1));
}

// The host of "IN IP4 224.2.1.1/127/3", without TTL and count; empty if it has another form.
std::string_view connection_host(std::string_view value) {
  const std::string_view net = take_word(value);
  const std::string_view family = take_word(value);
  const std::string_view host = take_word(value);
  const bool known = equals_without_case(net, "IN") &&
                     (equals_without_case(family, "IP4") || equals_without_case(family, "IP6"));
  return known ? host.substr(0, host.find('/')) : std::string_view{};
}

std::string connection(const IpAddress& ip) {
  return (ip.is_v4() ? "IN IP4 " : "IN IP6 ") + ip.to_string();
}

bool is_null(std::string_view host) {
  if (host == "0.0.0.0") return true;
  if (!host.starts_with('0') && !host.starts_with(':')) return false;
  const auto ip = IpAddress::parse(host);
  return ip && ip->is_unspecified();
}

std::optional<Direction> direction_of(std::string_view name) {
  if (name == "sendrecv") return Direction::SendRecv;
  if (name == "sendonly") return Direction::SendOnly;
  if (name == "recvonly") return Direction::RecvOnly;
  if (name == "inactive") return Direction::Inactive;
  return std::nullopt;
}

// Attributes that say where else media could go to or come from. The one address that we give
// must be all that is left. RFC 8839, 8840 (ICE), 6947 (altc), 4570 (source-filter); alt and
// oldmediaip are no standard, but in use.
bool tells_another_place(std::string_view name) {
  static constexpr std::array<std::string_view, 7> kNames{
      "candidate", "remote-candidates", "end-of-candidates", "source-filter", "alt",
      "altc",      "oldmediaip"};
  return lower(name.substr(0, 4)) == "ice-" ||
         std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view n) { return equals_without_case(n, name); });
}

// Does a '/'-separated protocol have this part?
bool has_part(std::string_view protocol, std::string_view part) {
  while (!protocol.empty())
    if (equals_without_case(take_until(protocol, '/'), part)) return true;
  return false;
}

}  // namespace

bool Media::is_rtp() const { return has_part(protocol, "RTP"); }

bool Media::is_udp() const {
  if (has_part(protocol, "TCP")) return false;  // RFC 4145, 4571, 4975, 8856
  return is_rtp() || has_part(protocol, "UDP") || has_part(protocol, "udptl") ||
         equals_without_case(protocol, "DTLS/SCTP");  // before RFC 8841 gave it "UDP/DTLS/SCTP"
}

bool Media::null_connection() const { return is_null(host) && !(has_ice && port == 9); }

Result<TransportAddress> Media::address(unsigned component) const {
  const bool apart = component != 0 && !rtcp_mux;
  const std::string_view where = apart && !rtcp_host.empty() ? rtcp_host : host;
  const auto ip = IpAddress::parse(where);
  if (port == 0 || !ip || ip->is_unspecified()) return fail(Errc::NotFound, "no media address");
  if (!apart) return TransportAddress{*ip, port};
  if (!rtcp_port && port == 65535) return fail(Errc::NotFound, "no port behind 65535");
  return TransportAddress{*ip, rtcp_port.value_or(static_cast<std::uint16_t>(port + 1))};
}

Result<Description> Description::parse(std::string_view text) {
  Description out;
  out.text_ = text;
  int media = -1;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t newline = text.find('\n', at);
    const std::size_t end = newline == kNone ? text.size() : newline + 1;
    std::string_view content = text.substr(at, (newline == kNone ? end : newline) - at);
    if (content.ends_with('\r')) content.remove_suffix(1);
    const bool formed = content.size() >= 2 && content[1] == '=' && is_letter(content[0]);
    Line line{formed ? content[0] : '\0', formed ? content.substr(2) : content, at, end, media};
    if (at == 0 && (line.type != 'v' || trim_right(line.value) != "0"))
      return fail(Errc::BadValue, "SDP does not begin with v=0");
    if (line.type == 'm') {
      if (out.media_.size() == kMaxMedia) return fail(Errc::Exhausted, "too many media", at);
      const auto parsed = out.parse_media(line);
      if (!parsed) return fail(parsed.error().code, parsed.error().what, at);
      out.media_.push_back(*parsed);
      line.media = ++media;
    }
    out.lines_.push_back(line);
    out.index_line(line);
    at = end;
  }
  if (out.lines_.empty()) return fail(Errc::BadValue, "SDP does not begin with v=0");
  out.inherit();
  return out;
}

Result<Media> Description::parse_media(const Line& line) const {
  std::string_view rest = line.value;
  Media media;
  media.kind = take_word(rest);
  media.port_text = take_word(rest);
  media.protocol = take_word(rest);
  media.formats = trim(rest);
  if (media.kind.empty() || media.protocol.empty())
    return fail(Errc::BadValue, "an m= line without port or protocol");
  const std::size_t slash = media.port_text.find('/');
  const auto port = decimal(media.port_text.substr(0, slash), 65535);
  if (!port) return fail(Errc::BadValue, "the port of an m= line is not 0 to 65535");
  media.port = static_cast<std::uint16_t>(*port);
  if (slash != kNone) {
    const auto count = decimal(media.port_text.substr(slash + 1), 65535);
    if (!count || *count == 0)
      return fail(Errc::BadValue, "the port count of an m= line is not 1 to 65535");
    media.port_count = static_cast<unsigned>(*count);
  }
  return media;
}

void Description::index_line(const Line& line) {
  if (line.media < 0) {
    if (line.type == 'c' && !session_connection_) {
      session_connection_ = true;
      session_host_ = connection_host(line.value);
    }
    return;
  }
  Media& media = media_[static_cast<std::size_t>(line.media)];
  if (line.type == 'c' && !media.own_connection) {
    media.own_connection = true;
    media.host = connection_host(line.value);
  }
  if (line.type != 'a') return;
  const std::string_view name = attribute_name(line.value);
  if (name == "rtcp" && !media.rtcp_port) {
    std::string_view value = attribute_value(line.value);
    const auto port = decimal(take_word(value), 65535);
    if (port && *port != 0) {
      media.rtcp_port = static_cast<std::uint16_t>(*port);
      media.rtcp_host = connection_host(value);
    }
  } else if (name == "rtcp-mux") {
    media.rtcp_mux = true;
  } else if (name == "candidate" || name == "remote-candidates" || name == "end-of-candidates") {
    media.has_candidates = true;
  } else if (name == "ice-ufrag") {
    media.has_ice = true;
  }
}

// What the session says counts for every media that does not say it itself.
void Description::inherit() {
  std::vector<std::optional<Direction>> own(media_.size());
  Direction session = Direction::SendRecv;
  bool ice = false;
  for (const Line& line : lines_) {
    if (line.type != 'a') continue;
    const std::string_view name = attribute_name(trim_right(line.value));
    const auto direction = direction_of(name);
    if (line.media < 0) {
      ice = ice || name == "ice-ufrag";
      session = direction.value_or(session);
    } else if (direction) {
      own[static_cast<std::size_t>(line.media)] = direction;
    }
  }
  for (std::size_t i = 0; i < media_.size(); ++i) {
    media_[i].direction = own[i].value_or(session);
    media_[i].has_ice = media_[i].has_ice || ice;
    if (!media_[i].own_connection) media_[i].host = session_host_;
  }
}

std::string_view Description::session_name() const {
  const auto it =
      std::find_if(lines_.begin(), lines_.end(), [](const Line& l) { return l.type == 's'; });
  return it == lines_.end() ? std::string_view{} : it->value;
}

std::string_view Description::origin() const {
  const auto it =
      std::find_if(lines_.begin(), lines_.end(), [](const Line& l) { return l.type == 'o'; });
  return it == lines_.end() ? std::string_view{} : it->value;
}

std::vector<std::string_view> Description::attributes(std::size_t media,
                                                      std::string_view name) const {
  return attributes_of(static_cast<int>(media), name);
}

std::vector<std::string_view> Description::session_attributes(std::string_view name) const {
  return attributes_of(-1, name);
}

std::optional<std::uint64_t> Description::bandwidth(std::size_t media,
                                                    std::string_view type) const {
  return bandwidth_of(static_cast<int>(media), type);
}

std::optional<std::uint64_t> Description::session_bandwidth(std::string_view type) const {
  return bandwidth_of(-1, type);
}

std::optional<std::uint64_t> Description::bandwidth_of(int media, std::string_view type) const {
  for (const Line& line : lines_) {
    if (line.media != media || line.type != 'b') continue;
    std::string_view rest = line.value;
    if (equals_without_case(take_until(rest, ':'), type))
      return decimal(trim(rest), std::numeric_limits<std::uint32_t>::max());
  }
  return std::nullopt;
}

std::vector<std::string_view> Description::attributes_of(int media, std::string_view name) const {
  std::vector<std::string_view> out;
  for (const Line& line : lines_)
    if (line.type == 'a' && line.media == media && attribute_name(trim_right(line.value)) == name)
      out.push_back(attribute_value(line.value));
  return out;
}

struct Editor::Output {
  std::string text;
  std::string_view line_end = "\r\n";
  int media = -1;                // whose lines are being written
  bool owes_connection = false;  // a c= line must be written before the next line but i=
  bool owes_rtcp = false;        // an a=rtcp line is still to come
  bool has_connection = false;   // c= of this section is written

  void line(char type, std::string_view value) {
    if (text.ends_with('\r'))
      text += '\n';
    else if (!text.empty() && text.back() != '\n')
      text += line_end;
    text += type;
    text += '=';
    text += value;
    text += line_end;
  }
};

void Editor::set_media(std::size_t index, const TransportAddress& rtp,
                       const std::optional<TransportAddress>& rtcp) {
  if (index >= description_.media_.size()) return;
  places_.resize(description_.media_.size());
  places_[index] = Place{rtp, rtcp};
}

void Editor::reject_media(std::size_t index) {
  if (index >= description_.media_.size()) return;
  rejected_.resize(description_.media_.size());
  rejected_[index] = true;
}

void Editor::set_session_address(const IpAddress& address) { session_address_ = address; }

bool Editor::empty() const { return places_.empty() && rejected_.empty() && !session_address_; }

bool Editor::is_rejected(std::size_t index) const {
  return description_.media_[index].port == 0 || (index < rejected_.size() && rejected_[index]);
}

const Editor::Place* Editor::place(int media) const {
  if (media < 0) return nullptr;
  const auto index = static_cast<std::size_t>(media);
  if (index >= places_.size() || !places_[index] || is_rejected(index)) return nullptr;
  return &*places_[index];
}

std::optional<IpAddress> Editor::session_ip() const {
  if (session_address_) return session_address_;
  for (const auto& p : places_)
    if (p) return p->rtp.ip;
  return std::nullopt;
}

// Does the session's c= hold some media that has none of its own?
bool Editor::session_is_held() const {
  const auto& media = description_.media_;
  return std::any_of(media.begin(), media.end(),
                     [](const Media& m) { return !m.own_connection && m.null_connection(); });
}

// Must a c= line be put into this media, since the session's would not say its address?
bool Editor::lacks_connection(std::size_t index) const {
  const Media& media = description_.media_[index];
  const Place* where = place(static_cast<int>(index));
  if (where == nullptr || media.own_connection || media.null_connection()) return false;
  return !description_.session_connection_ || session_is_held() || where->rtp.ip != session_ip();
}

std::string Editor::finish() const {
  const std::string_view text = description_.text_;
  if (empty()) return std::string{text};
  Output out;
  out.text.reserve(text.size() + 256);
  const std::size_t newline = text.find('\n');
  if (newline != kNone && (newline == 0 || text[newline - 1] != '\r')) out.line_end = "\n";
  for (const auto& line : description_.lines_) {
    if (line.type == 'm') {
      end_media(out);
      begin_media(line, out);
    } else {
      if (out.owes_connection && line.type != 'i') {
        out.line('c', connection(place(out.media)->rtp.ip));
        out.owes_connection = false;
      }
      write_line(line, out);
    }
  }
  end_media(out);
  return std::move(out.text);
}

void Editor::begin_media(const Description::Line& line, Output& out) const {
  const auto index = static_cast<std::size_t>(line.media);
  const Media& media = description_.media_[index];
  const std::string_view text = description_.text_;
  const Place* where = place(line.media);
  const auto port = static_cast<std::size_t>(media.port_text.data() - text.data());
  out.media = line.media;
  out.has_connection = false;
  out.owes_connection = lacks_connection(index);
  out.text += text.substr(line.offset, port - line.offset);
  if (is_rejected(index))
    out.text += '0';
  else
    out.text += where != nullptr ? std::to_string(where->rtp.port) : std::string{media.port_text};
  const std::size_t behind = port + media.port_text.size();
  out.text += text.substr(behind, line.end - behind);

  out.owes_rtcp = false;
  if (where == nullptr || !where->rtcp || *where->rtcp == where->rtp) return;
  const bool next_port =
      where->rtcp->ip == where->rtp.ip && where->rtcp->port == where->rtp.port + 1;
  out.owes_rtcp = !next_port;
}

void Editor::end_media(Output& out) const {
  if (out.owes_connection) out.line('c', connection(place(out.media)->rtp.ip));
  out.owes_connection = false;
  if (!out.owes_rtcp) return;
  const Place& where = *place(out.media);
  std::string value = "rtcp:" + std::to_string(where.rtcp->port);
  if (where.rtcp->ip != where.rtp.ip) value += " " + connection(where.rtcp->ip);
  out.line('a', value);
  out.owes_rtcp = false;
}

void Editor::write_line(const Description::Line& line, Output& out) const {
  if (line.type == 'c') return write_connection(line, out);
  if (line.type == 'a') return write_attribute(line, out);
  const std::string_view text = description_.text_;
  const auto ip = session_ip();
  if (line.type == 'o' && line.media < 0 && ip) {
    // o=<username> <sess-id> <sess-version> IN IP4 <address>: the last two words, wherever the
    // username has spaces.
    std::string_view head = line.value;
    head = head.substr(0, head.find_last_not_of(' ') + 1);
    const std::size_t address = head.rfind(' ');
    const std::size_t family =
        address == kNone || address == 0 ? kNone : head.rfind(' ', address - 1);
    const std::size_t net = family == kNone || family == 0 ? kNone : head.rfind(' ', family - 1);
    if (net != kNone) {
      out.text += text.substr(line.offset, 2);
      out.text += head.substr(0, net + 1);
      out.text += connection(*ip);
      const auto behind = static_cast<std::size_t>(head.data() - text.data()) + head.size();
      out.text += text.substr(behind, line.end - behind);
      return;
    }
  }
  out.text += text.substr(line.offset, line.end - line.offset);
}

void Editor::write_connection(const Description::Line& line, Output& out) const {
  const std::string_view text = description_.text_;
  const Place* where = place(line.media);
  const auto ip = where != nullptr ? std::optional{where->rtp.ip} : session_ip();
  const bool held =
      line.media < 0 ? session_is_held()
                     : description_.media_[static_cast<std::size_t>(line.media)].null_connection();
  // Several c= lines of one media are layers of multicast (RFC 8866 5.7): we give one address.
  if (out.has_connection) return;
  out.has_connection = true;
  if (held || !ip) {
    out.text += text.substr(line.offset, line.end - line.offset);
    return;
  }
  out.text += "c=" + connection(*ip);
  const auto behind = static_cast<std::size_t>(line.value.data() - text.data()) + line.value.size();
  out.text += text.substr(behind, line.end - behind);
}

void Editor::write_attribute(const Description::Line& line, Output& out) const {
  const std::string_view text = description_.text_;
  const std::string_view name = attribute_name(trim_right(line.value));
  if (tells_another_place(name)) return;
  if (equals_without_case(name, "rtcp")) {
    // In its place where it is still needed; where not, it would name the terminal's own port.
    if (out.owes_rtcp) end_media(out);
    return;
  }
  const bool gone = line.media >= 0 && is_rejected(static_cast<std::size_t>(line.media));
  if (gone && equals_without_case(name, "path")) return;  // RFC 4975 8.1: an MSRP URI
  out.text += text.substr(line.offset, line.end - line.offset);
}

}  // namespace sallyport::codec::sdp
