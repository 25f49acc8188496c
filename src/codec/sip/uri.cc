#include "codec/sip/uri.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/transport_address.h"
#include "codec/sip/headers.h"
#include "codec/text.h"

namespace sallyport::codec::sip {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

// The offset behind the quoted string that begins at `at`; none if it has no end.
std::size_t quoted_end(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '"')
      return at + 1;
  }
  return kNone;
}

enum class Next : std::uint8_t { Parameter, Empty, End, Broken };

// The parameter whose ';' stands at `at` (white space before it allowed); `at` moves behind it.
Next next_parameter(std::string_view text, std::size_t& at, Parameter& out) {
  while (at < text.size() && is_space(text[at])) ++at;
  if (at == text.size()) return Next::End;
  const std::size_t begin = at;
  if (text[at] == ';') ++at;
  const std::size_t name_begin = at;
  while (at < text.size() && text[at] != ';' && text[at] != '=') ++at;
  out.name = trim(text.substr(name_begin, at - name_begin));
  out.value = {};
  bool broken = false;
  if (at < text.size() && text[at] == '=') {
    ++at;
    while (at < text.size() && is_space(text[at])) ++at;
    if (at < text.size() && text[at] == '"') {
      const std::size_t end = quoted_end(text, at);
      const std::size_t close = end == kNone ? text.size() : end - 1;
      broken = end == kNone;
      out.value = text.substr(at + 1, close - at - 1);
      at = end == kNone ? text.size() : end;
      const std::size_t behind = std::min(text.find(';', at), text.size());
      broken = broken || !trim(text.substr(at, behind - at)).empty();
      at = behind;
    } else {
      const std::size_t end = std::min(text.find(';', at), text.size());
      out.value = trim(text.substr(at, end - at));
      at = end;
    }
  }
  out.text = trim_right(text.substr(begin, at - begin));
  if (broken) return Next::Broken;
  return out.name.empty() ? Next::Empty : Next::Parameter;
}

// A name, an IPv4 address, or [IPv6]. Underscores are no host-name characters, but are in use.
bool is_host(std::string_view host) {
  if (host.size() > 255) return false;
  if (host.starts_with('['))
    return host.size() > 2 && host.back() == ']' && host.find(':') != kNone &&
           IpAddress::parse(host).has_value();
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
  });
}

// host or host:port; white space around the colon is for the caller to allow or not.
bool split_host_port(std::string_view text, std::string_view& host, std::uint16_t& port) {
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  if (bracket == kNone) return false;
  const std::size_t colon = text.find(':', bracket);
  host = text.substr(0, colon);
  if (!is_host(host)) return false;
  port = 0;
  if (colon == kNone) return true;
  const auto number = decimal(text.substr(colon + 1), 65535);
  if (!number || *number == 0) return false;
  port = static_cast<std::uint16_t>(*number);
  return true;
}

// What no URI holds unescaped, whatever its scheme.
bool is_forbidden(char c) {
  return is_space(c) || is_control(c) || c == '<' || c == '>' || c == '"';
}

// RFC 3966 3: digits with visual separators; local numbers may hold * # and hex digits.
bool is_telephone_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '*' || c == '#'; }) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return hex_value(c) >= 0 || std::string_view{"-.()*#%"}.find(c) != kNone;
         });
}

Result<Uri> parse_tel(Uri uri, std::string_view rest) {
  const std::size_t semicolon = std::min(rest.find(';'), rest.size());
  uri.user = rest.substr(0, semicolon);
  uri.parameters = Parameters{rest.substr(semicolon)};
  if (!is_telephone_number(uri.user)) return fail(Errc::BadValue, "malformed telephone number");
  if (!uri.parameters.well_formed()) return fail(Errc::BadValue, "malformed URI parameters");
  return uri;
}

Result<Uri> parse_sip(Uri uri, std::string_view rest) {
  // '@' is allowed unescaped nowhere but behind the user, while user parts may hold ; and ?
  // (RFC 4475 3.1.1.9), so it comes first.
  if (const std::size_t at = rest.find('@'); at != kNone) {
    std::string_view user_info = rest.substr(0, at);
    uri.user = take_until(user_info, ':');
    uri.password = user_info;
    if (uri.user.empty()) return fail(Errc::BadValue, "empty user in a URI");
    rest.remove_prefix(at + 1);
  }
  const std::size_t host_end = std::min(rest.find_first_of(";?"), rest.size());
  if (!split_host_port(rest.substr(0, host_end), uri.host, uri.port))
    return fail(Errc::BadValue, "malformed host in a URI");
  rest.remove_prefix(host_end);
  const std::size_t question = rest.find('?');
  uri.parameters = Parameters{rest.substr(0, question)};
  if (question != kNone) uri.headers = rest.substr(question + 1);
  return uri;
}

// Any absolute URI (RFC 3261 25.1: absoluteURI); deeper where we know the scheme.
Result<Uri> parse_any(std::string_view text) {
  Uri uri;
  uri.text = text;
  const std::size_t colon = text.find(':');
  if (colon == kNone) return fail(Errc::BadValue, "no scheme in a URI");
  uri.scheme = text.substr(0, colon);
  const std::string_view rest = text.substr(colon + 1);
  const bool scheme_fits = !uri.scheme.empty() && is_letter(uri.scheme[0]) &&
                           std::all_of(uri.scheme.begin(), uri.scheme.end(), [](char c) {
                             return is_alphanumeric(c) || c == '+' || c == '-' || c == '.';
                           });
  if (!scheme_fits || rest.empty() || std::any_of(rest.begin(), rest.end(), is_forbidden))
    return fail(Errc::BadValue, "malformed URI");
  if (uri.is_sip()) return parse_sip(uri, rest);
  if (uri.is_tel()) return parse_tel(uri, rest);
  return uri;
}

// RFC 3261 25.1: unreserved, and user-unreserved.
bool stands_in_user(char c) {
  return is_alphanumeric(c) || std::string_view{"-_.!~*'()&=+$,;?/"}.find(c) != kNone;
}

void append_escaped(std::string& out, char c) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto octet = static_cast<unsigned char>(c);
  out += '%';
  out += kHex[octet >> 4U];
  out += kHex[octet & 15U];
}

// One form for all spellings: unescaped what may stand so, escaped what may not.
std::string canonical_user(std::string_view user) {
  std::string out;
  for (const char c : unescape(user)) {
    if (stands_in_user(c))
      out += c;
    else
      append_escaped(out, c);
  }
  return out;
}

std::string canonical_host(std::string_view host) {
  if (host.starts_with('[')) {
    const auto ip = IpAddress::parse(host);
    if (ip) return ip->is_v4() ? ip->to_string() : "[" + ip->to_string() + "]";
  }
  if (host.ends_with('.') && host.size() > 1) host.remove_suffix(1);
  return lower(host);
}

std::string canonical_number(std::string_view number) {
  std::string out;
  for (const char c : number)
    if (std::string_view{"-.()"}.find(c) == kNone) out += lower(c);
  return out;
}

// Parameters by name, for comparing two lists in one walk.
std::vector<std::pair<std::string, std::string>> sorted(const Parameters& parameters) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Parameter& p : parameters.list())
    out.emplace_back(lower(unescape(p.name)), lower(unescape(p.value)));
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> sorted_headers(std::string_view headers) {
  std::vector<std::string> out;
  while (!headers.empty()) {
    std::string_view value = take_until(headers, '&');
    const std::string_view field = take_until(value, '=');
    out.push_back(lower(unescape(field)) + "=" + unescape(value));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// RFC 3261 19.1.4: what appears in both must match; these never match when only one has them.
bool equivalent(const Parameters& a, const Parameters& b) {
  const auto counts_alone = [](const std::string& name) {
    return name == "user" || name == "ttl" || name == "method" || name == "maddr";
  };
  const auto left = sorted(a);
  const auto right = sorted(b);
  auto i = left.begin();
  auto j = right.begin();
  while (i != left.end() || j != right.end()) {
    const int order = i == left.end() ? 1 : j == right.end() ? -1 : i->first.compare(j->first);
    if (order == 0) {
      if (i->second != j->second) return false;
      ++i;
      ++j;
    } else {
      auto& alone = order < 0 ? i : j;
      if (counts_alone(alone->first)) return false;
      ++alone;
    }
  }
  return true;
}

}  // namespace

bool Parameters::has(std::string_view name) const { return find(name).has_value(); }

std::optional<std::string_view> Parameters::find(std::string_view name) const {
  Parameter parameter;
  for (std::size_t at = 0; next_parameter(text_, at, parameter) != Next::End;)
    if (equals_without_case(parameter.name, name)) return parameter.value;
  return std::nullopt;
}

std::vector<Parameter> Parameters::list() const {
  std::vector<Parameter> out;
  Parameter parameter;
  for (std::size_t at = 0;;) {
    const Next next = next_parameter(text_, at, parameter);
    if (next == Next::End) return out;
    if (next != Next::Empty) out.push_back(parameter);
  }
}

bool Parameters::well_formed() const {
  Parameter parameter;
  for (std::size_t at = 0;;) {
    const Next next = next_parameter(text_, at, parameter);
    if (next != Next::Parameter) return next == Next::End;
    if (std::any_of(parameter.name.begin(), parameter.name.end(), is_forbidden)) return false;
  }
}

std::string Parameters::without(std::string_view name) const {
  std::string out;
  Parameter parameter;
  std::size_t copied = 0;
  for (std::size_t at = 0; next_parameter(text_, at, parameter) != Next::End;) {
    if (!equals_without_case(parameter.name, name)) continue;
    const auto begin = static_cast<std::size_t>(parameter.text.data() - text_.data());
    out += text_.substr(copied, begin - copied);
    copied = begin + parameter.text.size();
  }
  out += text_.substr(copied);
  return out;
}

std::string Parameters::with(std::string_view name, std::string_view value) const {
  std::string written = ";" + std::string{name};
  if (!value.empty()) written += "=" + std::string{value};
  Parameter parameter;
  for (std::size_t at = 0; next_parameter(text_, at, parameter) != Next::End;) {
    if (!equals_without_case(parameter.name, name)) continue;
    const auto begin = static_cast<std::size_t>(parameter.text.data() - text_.data());
    return std::string{text_.substr(0, begin)} + written +
           std::string{text_.substr(begin + parameter.text.size())};
  }
  return std::string{text_} + written;
}

bool Uri::is_sip() const { return equals_without_case(scheme, "sip") || is_sips(); }
bool Uri::is_sips() const { return equals_without_case(scheme, "sips"); }
bool Uri::is_tel() const { return equals_without_case(scheme, "tel"); }

Result<Uri> Uri::parse(std::string_view text) {
  auto uri = parse_any(text);
  if (uri && !uri->is_sip() && !uri->is_tel())
    return fail(Errc::Unsupported, "URI scheme is not sip, sips or tel");
  return uri;
}

std::string address_of_record(const Uri& uri) { return address_of_record(uri, uri.host); }

std::string address_of_record(const Uri& uri, std::string_view host) {
  if (uri.is_tel()) {
    // RFC 3966 5.1.5: a local number means something only together with its context.
    const auto context = uri.parameters.find("phone-context");
    return "tel:" + canonical_number(uri.user) +
           (context ? ";phone-context=" + lower(*context) : std::string{});
  }
  if (!uri.is_sip()) return std::string{uri.text};
  const std::string user = canonical_user(uri.user);
  return "sip:" + (user.empty() ? user : user + "@") + canonical_host(host);
}

bool equivalent(const Uri& a, const Uri& b) {
  if (!equals_without_case(a.scheme, b.scheme)) return false;
  if (a.is_tel()) return address_of_record(a) == address_of_record(b);
  if (!a.is_sip()) return a.text == b.text;
  return canonical_user(a.user) == canonical_user(b.user) &&
         unescape(a.password) == unescape(b.password) &&
         canonical_host(a.host) == canonical_host(b.host) && a.port == b.port &&
         equivalent(a.parameters, b.parameters) &&
         sorted_headers(a.headers) == sorted_headers(b.headers);
}

Result<NameAddr> NameAddr::parse(std::string_view text) {
  text = trim(text);
  NameAddr out;
  out.text = text;
  if (text == "*") {
    out.is_wildcard = true;
    return out;
  }
  std::size_t open = 0;
  if (text.starts_with('"')) {
    const std::size_t end = quoted_end(text, 0);
    if (end == kNone) return fail(Errc::BadValue, "display name without its end");
    out.display = text.substr(0, end);
    open = end;
    while (open < text.size() && is_space(text[open])) ++open;
    if (open == text.size() || text[open] != '<')
      return fail(Errc::BadValue, "no URI behind the display name", end);
  } else {
    open = text.find_first_of("<;\"");
  }
  std::string_view uri;
  std::size_t behind = 0;
  if (open != kNone && text[open] == '<') {
    // RFC 3261 25.1: a display name without quotes is tokens. Devices send more than tokens, also
    // in 8 bits; what would be read otherwise elsewhere is refused (RFC 4475 3.1.2.15).
    if (!text.starts_with('"')) out.display = trim(text.substr(0, open));
    if (!text.starts_with('"') && out.display.find_first_of(",>\\") != kNone)
      return fail(Errc::BadValue, "display name needs quotes");
    const std::size_t close = text.find('>', open);
    if (close == kNone) return fail(Errc::BadValue, "'<' without '>'", open);
    uri = text.substr(open + 1, close - open - 1);
    behind = close + 1;
  } else {
    // RFC 3261 20.10: without brackets, what follows ';' belongs to the header, and a URI with a
    // comma or a question mark must be in brackets.
    behind = std::min(text.find(';'), text.size());
    uri = trim_right(text.substr(0, behind));
    if (uri.find_first_of(",?") != kNone)
      return fail(Errc::BadValue, "this URI must be in angle brackets");
  }
  const auto parsed = parse_any(uri);
  if (!parsed) return tl::make_unexpected(parsed.error());
  out.uri = *parsed;
  const std::string_view tail = trim_left(text.substr(behind));
  if (!tail.empty() && tail[0] != ';')
    return fail(Errc::BadValue, "unexpected text behind the URI", behind);
  out.parameters = Parameters{tail};
  if (!out.parameters.well_formed()) return fail(Errc::BadValue, "malformed parameters", behind);
  return out;
}

std::string NameAddr::with_uri(std::string_view new_uri) const {
  if (is_wildcard) return std::string{text};
  const auto begin = static_cast<std::size_t>(uri.text.data() - text.data());
  const std::size_t end = begin + uri.text.size();
  const bool bracketed = begin > 0 && text[begin - 1] == '<';
  std::string out{text.substr(0, begin)};
  if (!bracketed) out += '<';
  out += new_uri;
  if (!bracketed) out += '>';
  out += text.substr(end);
  return out;
}

}  // namespace sallyport::codec::sip
