#include "adapter/sip/register_request.h"

#include <algorithm>

#include "codec/sip/headers.h"
#include "codec/sip/uri.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::HeaderName;
using codec::sip::NameAddr;
using codec::sip::Uri;

constexpr std::uint16_t kPortSip = 5060;
constexpr std::uint16_t kPortSips = 5061;
constexpr std::string_view kRegId = ";reg-id=";

// "0.75" in thousandths; RFC 3261 25.1 qvalue. What is none counts as 1.
std::uint16_t thousandths(std::string_view q) {
  if (q.empty() || q.front() != '0') return 1000;
  std::uint16_t out = 0;
  std::uint16_t digit = 100;
  if (q.size() > 1 && q[1] != '.') return 1000;
  for (const char c : q.substr(std::min<std::size_t>(2, q.size()))) {
    if (c < '0' || c > '9' || digit == 0) return 1000;
    out = static_cast<std::uint16_t>(out + (c - '0') * digit);
    digit = static_cast<std::uint16_t>(digit / 10);
  }
  return out;
}

Result<WantedContact> parse_contact(const NameAddr& address, seconds expires) {
  if (!address.uri.is_sip()) return fail(Errc::BadValue, "Contact is no SIP URI");
  WantedContact out;
  out.uri = address.uri.text;
  out.text = address.text;
  out.instance = address.parameters.find("+sip.instance").value_or(std::string_view{});
  // RFC 3261 10.2.1.1: what is malformed counts as if it were not there.
  if (const auto own = address.parameters.find("expires")) {
    const auto number = codec::sip::parse_number(*own);
    expires = number ? seconds{*number} : seconds{3600};
  }
  out.expires = expires;
  if (const auto reg_id = address.parameters.find("reg-id"))
    out.reg_id = codec::sip::parse_number(*reg_id).value_or(0);
  if (const auto q = address.parameters.find("q")) out.preference = thousandths(*q);
  return out;
}

// Where a terminal is reached that registers over UDP. If its contact names the host that the
// packet came from, no NAT stands between, and the contact says which port it listens on (which may
// not be the one it sends from). Else only the source is sure to lead back to it.
TransportAddress reach(const WantedContact& contact, const Hop& from) {
  if (is_reliable(from.transport)) return from.remote;
  const auto uri = Uri::parse(contact.uri);
  const auto ip = uri ? IpAddress::parse(uri->host) : fail(Errc::BadValue, "no URI");
  if (!ip || *ip != from.remote.ip) return from.remote;
  return {*ip, uri->port != 0 ? uri->port : (uri->is_sips() ? kPortSips : kPortSip)};
}

// The network in which this contact's address has its meaning; empty: everywhere.
std::string network_of(Place place, const IpAddress& source, const Uri& contact) {
  if (!place.is_outside()) return std::to_string(place.agent.value) + ' ';
  const auto ip = IpAddress::parse(contact.host);
  return ip && ip->is_private() ? source.to_string() + ' ' : std::string{};
}

}  // namespace

Result<RegisterRequest> RegisterRequest::parse(const wire::Message& message,
                                               seconds default_expires) {
  RegisterRequest out;
  out.call_id = message.find(HeaderName::CallId).value_or(std::string_view{});
  const auto cseq =
      codec::sip::CSeq::parse(message.find(HeaderName::CSeq).value_or(std::string_view{}));
  if (!cseq) return tl::make_unexpected(cseq.error());
  out.cseq = cseq->number;
  out.gruu = message.lists(HeaderName::Supported, "gruu");
  out.outbound = message.lists(HeaderName::Supported, "outbound") ||
                 message.lists(HeaderName::Require, "outbound");
  out.user_agent = message.find(HeaderName::UserAgent).value_or(std::string_view{}).substr(0, 200);
  for (const std::string_view hop : message.list(HeaderName::Path)) {
    if (!out.path.empty()) out.path += ", ";
    out.path += hop;
  }

  seconds expires = default_expires;
  bool says_zero = false;
  if (const auto header = message.find(HeaderName::Expires)) {
    const auto number = codec::sip::parse_number(*header);
    expires = number ? seconds{*number} : seconds{3600};
    says_zero = number && *number == 0;
  }
  for (const std::string_view element : message.list(HeaderName::Contact)) {
    const auto address = NameAddr::parse(element);
    if (!address) return fail(Errc::BadValue, "Contact cannot be read");
    if (address->is_wildcard) {
      out.remove_all = true;
      continue;
    }
    auto contact = parse_contact(*address, expires);
    if (!contact) return tl::make_unexpected(contact.error());
    out.contacts.push_back(std::move(*contact));
  }
  // RFC 3261 10.2.2: "*" stands alone, and only with Expires: 0.
  if (out.remove_all && (!out.contacts.empty() || !says_zero))
    return fail(Errc::BadValue, "Contact * needs Expires: 0 and no other Contact");
  return out;
}

std::string binding_key(const WantedContact& contact, bool outbound, const Hop& from,
                        const std::vector<brain::Binding>& present) {
  if (!contact.instance.empty()) {
    // RFC 5626 6: each flow of a device is a binding of its own; without reg-id the device is one.
    if (!outbound || contact.reg_id == 0) return contact.instance;
    return contact.instance + std::string{kRegId} + std::to_string(contact.reg_id);
  }
  const auto uri = Uri::parse(contact.uri);
  for (const brain::Binding& binding : present) {
    const auto other = Uri::parse(binding.contact);
    if (uri && other && binding.instance.empty() && codec::sip::equivalent(*uri, *other) &&
        network_of(binding.place, binding.address.ip, *other) ==
            network_of(from.place, from.remote.ip, *uri))
      return binding.key;
  }
  return uri ? network_of(from.place, from.remote.ip, *uri) + contact.uri : contact.uri;
}

std::vector<std::string> left_behind(const RegisterRequest& request, const WantedContact& contact,
                                     const Hop& from, const std::vector<brain::Binding>& present) {
  std::vector<std::string> out;
  if (!contact.instance.empty() || contact.expires == seconds{0}) return out;
  const auto uri = Uri::parse(contact.uri);
  if (!uri) return out;
  for (const brain::Binding& binding : present) {
    const auto other = Uri::parse(binding.contact);
    const bool same_terminal = other && binding.instance.empty() && binding.place == from.place &&
                               binding.transport == from.transport &&
                               binding.address.ip == from.remote.ip && other->user == uri->user &&
                               other->host == uri->host && binding.details == request.user_agent;
    if (same_terminal && other->port != uri->port && binding.order != request.call_id)
      out.push_back(binding.key);
  }
  return out;
}

brain::Binding make_binding(const RegisterRequest& request, const WantedContact& contact,
                            const Hop& from, const std::string& identity, std::string key,
                            WallTime expires) {
  brain::Binding out;
  out.identity = identity;
  out.key = std::move(key);
  out.protocol = "sip";
  out.place = from.place;
  out.contact = contact.uri;
  out.path = request.path;
  out.transport = from.transport;
  out.address = reach(contact, from);
  out.connection = from.connection;
  out.expires = expires;
  out.order = request.call_id;
  out.number = request.cseq;
  out.preference = contact.preference;
  out.details = request.user_agent;
  out.instance = contact.instance;
  return out;
}

bool is_out_of_order(const RegisterRequest& request, const brain::Binding& binding) {
  return binding.order == request.call_id && request.cseq <= binding.number;
}

bool is_neighbour(const brain::Binding& binding, const Hop& from) {
  if (binding.place != from.place) return false;
  return !from.place.is_outside() || binding.address.ip == from.remote.ip;
}

std::string reg_id_parameter(const brain::Binding& binding) {
  if (binding.instance.empty() || !binding.key.starts_with(binding.instance)) return {};
  return binding.key.substr(binding.instance.size());
}

}  // namespace sallyport::adapter::sip
