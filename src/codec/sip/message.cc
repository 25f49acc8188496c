#include "codec/sip/message.h"

#include <array>

#include "codec/sip/headers.h"
#include "codec/sip/lines.h"
#include "codec/text.h"

namespace sallyport::codec::sip {
namespace {

// RFC 3261 7.1: SIP-Version; the text is case-insensitive.
bool is_sip_version(std::string_view text) {
  if (text.size() < 7 || !equals_without_case(text.substr(0, 4), "SIP/")) return false;
  const std::string_view number = text.substr(4);
  const std::size_t dot = number.find('.');
  return dot != std::string_view::npos && decimal(number.substr(0, dot), 9999) &&
         decimal(number.substr(dot + 1), 9999);
}

// The end of the element that begins at `at` in a comma-separated header value: the comma, or the
// end. Commas inside quotes and angle brackets do not count.
std::size_t element_end(std::string_view text, std::size_t at) {
  bool quoted = false;
  bool bracketed = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\')
        ++at;
      else if (c == '"')
        quoted = false;
    } else if (bracketed) {
      bracketed = c != '>';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '<') {
      bracketed = true;
    } else if (c == ',') {
      return at;
    }
  }
  return text.size();
}

// What must stand exactly once in every message, and what must not stand twice.
struct Single {
  HeaderName name;
  bool required;
  std::string_view missing, doubled;
};
constexpr std::array kSingles{
    Single{HeaderName::CallId, true, "no Call-ID", "Call-ID twice"},
    Single{HeaderName::CSeq, true, "no CSeq", "CSeq twice"},
    Single{HeaderName::From, true, "no From", "From twice"},
    Single{HeaderName::To, true, "no To", "To twice"},
    Single{HeaderName::MaxForwards, false, "", "Max-Forwards twice"},
    Single{HeaderName::ContentLength, false, "", "Content-Length twice"},
    Single{HeaderName::ContentType, false, "", "Content-Type twice"},
};

}  // namespace

Result<Message> Message::parse(Bytes octets) { return parse(octets, Extent::Whole); }
Result<Message> Message::parse_head(Bytes octets) { return parse(octets, Extent::Head); }

Result<Message> Message::parse(Bytes octets, Extent extent) {
  if (octets.size() > kMaxMessage) return fail(Errc::Exhausted, "message longer than 65535 octets");
  Message message;
  const std::string_view text = as_text(octets);
  message.octets_.assign(text.begin(), text.end());
  message.text_ = {message.octets_.data(), message.octets_.size()};
  const auto indexed = message.index(extent);
  if (!indexed) return tl::make_unexpected(indexed.error());
  return message;
}

Message::Message(const Message& other)
    : octets_(other.octets_),
      headers_end_(other.headers_end_),
      method_(other.method_),
      status_(other.status_),
      headers_(other.headers_) {
  const auto moved = [&](std::string_view view) {
    if (view.data() == nullptr) return view;
    return std::string_view{octets_.data() + (view.data() - other.octets_.data()), view.size()};
  };
  text_ = moved(other.text_);
  method_text_ = moved(other.method_text_);
  request_uri_ = moved(other.request_uri_);
  reason_ = moved(other.reason_);
  body_ = moved(other.body_);
  for (Header& header : headers_) {
    header.name_text = moved(header.name_text);
    header.value = moved(header.value);
  }
}

Message& Message::operator=(const Message& other) {
  if (this != &other) *this = Message{other};
  return *this;
}

Result<void> Message::index(Extent extent) {
  // RFC 3261 7.5: empty lines before the start line are ignored.
  std::size_t at = 0;
  while (at < text_.size() && ends_headers(text_, at)) at = line_end(text_, at);
  if (at == text_.size()) return fail(Errc::Truncated, "no start line");
  const std::size_t end = line_end(text_, at);
  const auto started = index_start_line(without_line_end(text_.substr(at, end - at)));
  if (!started) return tl::make_unexpected(started.error());
  const auto body = index_headers(end, extent);
  if (!body) return tl::make_unexpected(body.error());
  if (!is_request()) {
    const auto cseq = CSeq::parse(find(HeaderName::CSeq).value_or(std::string_view{}));
    if (cseq) {
      method_text_ = cseq->method;
      method_ = method_of(cseq->method);
    }
  }
  if (extent == Extent::Head) {
    text_ = text_.substr(0, *body);
    body_ = text_.substr(*body);
    return {};
  }
  return index_body(*body);
}

Result<void> Message::index_start_line(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0) return fail(Errc::BadValue, "no start line");
  const std::string_view first = line.substr(0, space);
  if (is_sip_version(first)) {  // SIP-Version SP Status-Code SP Reason-Phrase
    const std::string_view rest = line.substr(space + 1);
    const std::size_t code_end = std::min(rest.find(' '), rest.size());
    const auto status = decimal(rest.substr(0, code_end), 699);
    if (code_end != 3 || !status || *status < 100)
      return fail(Errc::BadValue, "status code is not 100 to 699");
    status_ = static_cast<int>(*status);
    reason_ = rest.substr(std::min(code_end + 1, rest.size()));
    return {};
  }
  if (!is_token(first)) return fail(Errc::BadValue, "the method is no token");
  // Method SP Request-URI SP SIP-Version. What is wrong inside (RFC 4475 3.1.2.8 to 3.1.2.10) is
  // for validate() to say, so that it can be answered.
  const std::string_view without_tail = trim_right(line);
  const std::size_t last = without_tail.rfind(' ');
  if (last <= space || !is_sip_version(without_tail.substr(last + 1)))
    return fail(Errc::BadValue, "no SIP version in the start line");
  method_text_ = first;
  method_ = method_of(first);
  request_uri_ = line.substr(space + 1, last - space - 1);
  return {};
}

Result<std::size_t> Message::index_headers(std::size_t at, Extent extent) {
  if (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t'))
    return fail(Errc::BadValue, "the start line is folded", at);
  headers_.reserve(24);
  while (at < text_.size()) {
    if (ends_headers(text_, at)) {
      headers_end_ = at;
      return line_end(text_, at);
    }
    if (headers_.size() == kMaxHeaders) return fail(Errc::Exhausted, "too many headers", at);
    const HeaderLine line = header_line(text_, at);
    headers_.push_back({header_name_of(line.name), line.name, line.value});
    at = line.end;
  }
  if (extent == Extent::Whole) return fail(Errc::Truncated, "no empty line behind the headers", at);
  headers_end_ = text_.size();
  return headers_end_;
}

Result<void> Message::index_body(std::size_t at) {
  const std::size_t there = text_.size() - at;
  std::optional<std::size_t> said;
  for (const Header& header : headers_) {
    if (header.name != HeaderName::ContentLength) continue;
    const auto offset = static_cast<std::size_t>(header.value.data() - text_.data());
    const auto length = decimal(header.value, UINT64_MAX);
    if (!length) return fail(Errc::BadValue, "Content-Length is no number", offset);
    if (*length > there) return fail(Errc::Truncated, "Content-Length beyond the end", offset);
    if (said && *said != *length) return fail(Errc::BadValue, "two Content-Lengths", offset);
    said = static_cast<std::size_t>(*length);
  }
  // RFC 3261 18.3: over UDP, a missing Content-Length means that the body goes to the end of the
  // datagram, and octets behind Content-Length are discarded.
  text_ = text_.substr(0, at + said.value_or(there));
  body_ = text_.substr(at);
  return {};
}

std::optional<std::string_view> Message::find(HeaderName header) const {
  for (const Header& h : headers_)
    if (h.name == header) return h.value;
  return std::nullopt;
}

std::optional<std::string_view> Message::find_other(std::string_view header_text) const {
  for (const Header& h : headers_)
    if (equals_without_case(h.name_text, header_text)) return h.value;
  return std::nullopt;
}

std::vector<std::string_view> Message::list(HeaderName header) const {
  std::vector<std::string_view> out;
  for (const Header& h : headers_) {
    if (h.name != header) continue;
    for (std::size_t at = 0; at < h.value.size();) {
      const std::size_t end = element_end(h.value, at);
      const std::string_view element = trim(h.value.substr(at, end - at));
      if (!element.empty()) out.push_back(element);
      at = end + 1;
    }
  }
  return out;
}

bool Message::lists(HeaderName header, std::string_view token) const {
  const auto elements = list(header);
  return std::any_of(elements.begin(), elements.end(),
                     [&](std::string_view element) { return equals_without_case(element, token); });
}

Result<void> Message::validate() const {
  const auto start = validate_start_line();
  if (!start) return start;
  std::array<unsigned, kSingles.size()> seen{};
  for (const Header& header : headers_) {
    if (header.name == HeaderName::Other) {
      if (!is_token(header.name_text)) return fail(Errc::BadValue, "a line that is no header");
      continue;
    }
    for (std::size_t i = 0; i < kSingles.size(); ++i) {
      if (kSingles[i].name != header.name) continue;
      if (++seen[i] == 2) return fail(Errc::BadValue, kSingles[i].doubled);
    }
  }
  for (std::size_t i = 0; i < kSingles.size(); ++i)
    if (kSingles[i].required && seen[i] == 0) return fail(Errc::BadValue, kSingles[i].missing);

  if (find(HeaderName::CallId)->empty()) return fail(Errc::BadValue, "empty Call-ID");
  if (!NameAddr::parse(*find(HeaderName::From))) return fail(Errc::BadValue, "malformed From");
  if (!NameAddr::parse(*find(HeaderName::To))) return fail(Errc::BadValue, "malformed To");
  const auto cseq = CSeq::parse(*find(HeaderName::CSeq));
  if (!cseq) return fail(Errc::BadValue, "malformed CSeq");
  if (cseq->method != method_text_)
    return fail(Errc::BadValue, "CSeq names another method than the request");
  const auto vias = list(HeaderName::Via);
  if (vias.empty()) return fail(Errc::BadValue, "no Via");
  for (const std::string_view via : vias)
    if (!Via::parse(via)) return fail(Errc::BadValue, "malformed Via");
  return is_request() ? validate_request() : Result<void>{};
}

Result<void> Message::validate_start_line() const {
  const std::size_t begin = is_request()
                                ? static_cast<std::size_t>(method_text_.data() - text_.data())
                                : static_cast<std::size_t>(reason_.data() - text_.data());
  if (!is_request()) {
    // The version stands first; its place is found from the front, past any empty lines.
    const std::size_t at = text_.find_first_not_of("\r\n");
    if (at > begin || text_.substr(at + 4, 4) != "2.0 ")
      return fail(Errc::Unsupported, "SIP version is not 2.0");
    return {};
  }
  const std::string_view line =
      without_line_end(text_.substr(begin, line_end(text_, begin) - begin));
  if (trim_right(line).substr(trim_right(line).rfind('/') + 1) != "2.0")
    return fail(Errc::Unsupported, "SIP version is not 2.0");
  if (trim_right(line).size() != line.size())
    return fail(Errc::BadValue, "white space behind the start line");
  for (const char c : request_uri_)
    if (is_space(c) || is_control(c) || c == '<' || c == '>' || c == '"')
      return fail(Errc::BadValue, "malformed Request-URI");
  const auto uri = Uri::parse(request_uri_);
  if (!uri && uri.error().code != Errc::Unsupported)
    return fail(Errc::BadValue, "malformed Request-URI");
  // RFC 3261 19.1.1: headers are not allowed in a Request-URI.
  if (uri && !uri->headers.empty()) return fail(Errc::BadValue, "headers in the Request-URI");
  return {};
}

Result<void> Message::validate_request() const {
  // RFC 3261 8.1.1.7: the magic cookie is only the beginning of a branch.
  if (Via::parse(list(HeaderName::Via).front())->branch() == "z9hG4bK")
    return fail(Errc::BadValue, "a branch that is nothing but the magic cookie");
  if (const auto hops = find(HeaderName::MaxForwards); hops && !decimal(*hops, 255))
    return fail(Errc::BadValue, "Max-Forwards is not 0 to 255");  // RFC 3261 20.22
  for (const std::string_view contact : list(HeaderName::Contact))
    if (!NameAddr::parse(contact)) return fail(Errc::BadValue, "malformed Contact");
  // RFC 3261 20.17: "SIP restricts the time zone in SIP-date to GMT".
  if (const auto date = find(HeaderName::Date); date && !date->ends_with("GMT"))
    return fail(Errc::BadValue, "Date is not in GMT");
  return {};
}

}  // namespace sallyport::codec::sip
