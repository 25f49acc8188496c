#include "codec/sip/headers.h"

#include "base/transport_address.h"
#include "codec/text.h"

namespace sallyport::codec::sip {
namespace {

// The text up to the next white space, taken off `rest` with the white space.
std::string_view take_word(std::string_view& rest) {
  std::size_t end = 0;
  while (end < rest.size() && !is_space(rest[end])) ++end;
  const std::string_view word = rest.substr(0, end);
  rest = trim_left(rest.substr(end));
  return word;
}

// A name, IPv4, [IPv6]; as Via's sent-by has it.
bool is_host(std::string_view host) {
  if (host.starts_with('[')) return IpAddress::parse(host).has_value() && host.ends_with(']');
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
  });
}

// The end of a name=value item: the comma that does not stand in quotes.
std::size_t item_end(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && text[i] == ',')
      return i;
  }
  return text.size();
}

}  // namespace

Result<Via> Via::parse(std::string_view text) {
  // RFC 3261 25.1: SLASH and COLON may have white space around them (RFC 4475 3.1.1.1).
  std::string_view rest = trim(text);
  Via via;
  const std::string_view protocol = trim(take_until(rest, '/'));
  const std::string_view version = trim(take_until(rest, '/'));
  rest = trim_left(rest);
  via.transport = take_word(rest);
  if (!equals_without_case(protocol, "SIP") || version != "2.0")
    return fail(Errc::BadValue, "Via is not SIP/2.0");
  if (!is_token(via.transport)) return fail(Errc::BadValue, "malformed transport in Via");
  const std::size_t semicolon = std::min(rest.find(';'), rest.size());
  const std::string_view sent_by = trim(rest.substr(0, semicolon));
  const std::size_t bracket = sent_by.starts_with('[') ? sent_by.find(']') : 0;
  const std::size_t colon = sent_by.find(':', bracket);  // from the end if the bracket is open
  via.host = trim_right(sent_by.substr(0, colon));
  if (!is_host(via.host)) return fail(Errc::BadValue, "malformed sent-by in Via");
  if (colon != std::string_view::npos) {
    const auto port = decimal(trim_left(sent_by.substr(colon + 1)), 65535);
    if (!port || *port == 0) return fail(Errc::BadValue, "malformed port in Via");
    via.port = static_cast<std::uint16_t>(*port);
  }
  via.parameters = Parameters{rest.substr(semicolon)};
  if (!via.parameters.well_formed()) return fail(Errc::BadValue, "malformed parameters in Via");
  return via;
}

Result<CSeq> CSeq::parse(std::string_view text) {
  text = trim(text);
  // RFC 3261 8.1.1.5: "The sequence number value MUST be expressible as a 32-bit unsigned integer
  // and MUST be less than 2**31."
  const auto number = decimal(take_word(text), 0x7fffffffU);
  if (!number) return fail(Errc::BadValue, "CSeq number is not below 2^31");
  if (!is_token(text)) return fail(Errc::BadValue, "malformed method in CSeq");
  return CSeq{static_cast<std::uint32_t>(*number), text};
}

Result<RAck> RAck::parse(std::string_view text) {
  text = trim(text);
  const auto rseq = decimal(take_word(text), UINT32_MAX);
  const auto cseq = decimal(take_word(text), 0x7fffffffU);
  if (!rseq || !cseq || !is_token(text)) return fail(Errc::BadValue, "malformed RAck");
  return RAck{static_cast<std::uint32_t>(*rseq), static_cast<std::uint32_t>(*cseq), text};
}

Result<AuthValue> AuthValue::parse(std::string_view text) {
  text = trim(text);
  AuthValue out;
  out.scheme = take_word(text);
  if (!is_token(out.scheme)) return fail(Errc::BadValue, "malformed authentication scheme");
  while (!text.empty()) {
    const std::size_t end = item_end(text);
    std::string_view value = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (value.empty()) continue;
    Item item;
    item.name = trim(take_until(value, '='));
    item.value = trim(value);
    if (item.value.starts_with('"')) {
      if (item.value.size() < 2 || !item.value.ends_with('"'))
        return fail(Errc::BadValue, "quote without its end");
      item.value = item.value.substr(1, item.value.size() - 2);
      item.quoted = true;
    }
    if (item.name.empty()) return fail(Errc::BadValue, "authentication parameter without name");
    out.items.push_back(item);
  }
  return out;
}

std::optional<std::string_view> AuthValue::find(std::string_view name) const {
  for (const Item& item : items)
    if (equals_without_case(item.name, name)) return item.value;
  return std::nullopt;
}

Result<DialogId> DialogId::parse(std::string_view text) {
  text = trim(text);
  const std::size_t semicolon = std::min(text.find(';'), text.size());
  const Parameters parameters{text.substr(semicolon)};
  DialogId out;
  out.call_id = trim_right(text.substr(0, semicolon));
  // RFC 4538 7: Target-Dialog names the tags by whose they are.
  const auto tag = [&](std::string_view name, std::string_view of_target_dialog) {
    return parameters.find(name).value_or(
        parameters.find(of_target_dialog).value_or(std::string_view{}));
  };
  out.to_tag = tag("to-tag", "remote-tag");
  out.from_tag = tag("from-tag", "local-tag");
  out.early_only = parameters.has("early-only");
  // RFC 3891 6.1: "A Replaces header field MUST contain exactly one to-tag and exactly one
  // from-tag".
  if (out.call_id.empty() || out.to_tag.empty() || out.from_tag.empty())
    return fail(Errc::BadValue, "a dialog needs Call-ID, to-tag and from-tag");
  return out;
}

Result<std::uint32_t> parse_number(std::string_view text) {
  text = trim(text);
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit))
    return fail(Errc::BadValue, "not a number");
  return static_cast<std::uint32_t>(decimal(text, UINT32_MAX).value_or(UINT32_MAX));
}

Result<std::uint32_t> parse_leading_number(std::string_view text) {
  text = trim(text);
  // "18000 (Mon)" of Retry-After: a comment ends the number as well.
  return parse_number(text.substr(0, text.find_first_of(";( \t\r\n")));
}

std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                         hex_value(text[i + 2]) >= 0;
    if (!escaped) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
    i += 2;
  }
  return out;
}

std::string escape_header(std::string_view text) {
  // RFC 3261 25.1: hvalue is hnv-unreserved, unreserved and escaped.
  static constexpr std::string_view kPlain = "[]/?:+$-_.!~*'()";
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_alphanumeric(c) || kPlain.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[octet >> 4U];
    out += kHex[octet & 15U];
  }
  return out;
}

}  // namespace sallyport::codec::sip
