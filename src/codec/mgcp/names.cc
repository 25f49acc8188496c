#include "codec/mgcp/names.h"

#include <algorithm>

#include "base/transport_address.h"
#include "codec/text.h"

namespace sallyport::codec::mgcp {
namespace {

constexpr std::size_t kMaxPart = 255;  // RFC 3435 2.1.2: of a local part, of a domain

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > kMaxPart) return false;
  if (text.front() == '[')
    return text.back() == ']' && IpAddress::parse(text.substr(1, text.size() - 2)).has_value();
  // RFC 3435 3.2.1.3 has a number sign for domains that are numbers.
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || c == '.' || c == '-' || c == '_' || c == '#';
  });
}

bool is_local(std::string_view text) {
  return text.size() <= kMaxPart && std::none_of(text.begin(), text.end(), [](char c) {
           return is_space(c) || is_control(c) || c == '@';
         });
}

bool is_any(std::string_view term) { return term == "*" || term == "$"; }

}  // namespace

Result<Name> Name::parse(std::string_view text) {
  Name out;
  text = trim(text);
  std::string_view domain = text;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    out.local = text.substr(0, at);
    domain = text.substr(at + 1);
    if (out.local.empty()) return fail(Errc::BadValue, "empty local name");
  }
  const std::size_t bracket = domain.rfind(']');
  const std::size_t colon = domain.find(':', bracket == std::string_view::npos ? 0 : bracket);
  out.domain = domain.substr(0, colon);
  if (colon != std::string_view::npos) {
    const auto port = decimal(domain.substr(colon + 1), 65535);
    if (!port || *port == 0) return fail(Errc::BadValue, "port of a name");
    out.port = static_cast<std::uint16_t>(*port);
  }
  if (!is_local(out.local)) return fail(Errc::BadValue, "local name");
  if (!is_domain(out.domain)) return fail(Errc::BadValue, "domain name");
  return out;
}

Result<Name> Name::parse_endpoint(std::string_view text) {
  const auto name = parse(text);
  if (name && name->local.empty()) return fail(Errc::BadValue, "no local endpoint name");
  return name;
}

std::string_view Name::host() const {
  return domain.starts_with('[') ? domain.substr(1, domain.size() - 2) : domain;
}

bool matches(std::string_view pattern, std::string_view name) {
  while (!pattern.empty() && !name.empty()) {
    const std::string_view wanted = take_until(pattern, '/');
    if (is_any(wanted) && pattern.empty()) return true;
    const std::string_view term = take_until(name, '/');
    if (!is_any(wanted) && !equals_without_case(wanted, term)) return false;
  }
  return pattern.empty() && name.empty();
}

bool has_wildcard(std::string_view local) {
  while (!local.empty())
    if (is_any(take_until(local, '/'))) return true;
  return false;
}

Result<std::vector<IdRange>> parse_acknowledged(std::string_view text) {
  std::vector<IdRange> out;
  while (!trim(text).empty()) {
    if (out.size() == kMaxAcknowledged) return fail(Errc::Exhausted, "too many acknowledgements");
    const std::string_view item = trim(take_until(text, ','));
    const std::size_t dash = item.find('-');
    const auto first = decimal(trim(item.substr(0, dash)), kMaxTransactionId);
    const auto last = dash == std::string_view::npos
                          ? first
                          : decimal(trim(item.substr(dash + 1)), kMaxTransactionId);
    if (!first || !last || *first > *last) return fail(Errc::BadValue, "response acknowledgement");
    out.emplace_back(static_cast<TransactionId>(*first), static_cast<TransactionId>(*last));
  }
  return out;
}

std::string to_text(const std::vector<TransactionId>& acknowledged) {
  std::string out;
  for (const TransactionId id : acknowledged) out += (out.empty() ? "" : ", ") + std::to_string(id);
  return out;
}

}  // namespace sallyport::codec::mgcp
