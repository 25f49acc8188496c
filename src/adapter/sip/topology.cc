#include "adapter/sip/topology.h"

#include <algorithm>

#include "adapter/sip/digest.h"
#include "codec/addresses/address_scan.h"
#include "codec/sip/headers.h"
#include "codec/sip/multipart.h"

namespace sallyport::adapter::sip {
namespace {

using wire::HeaderName;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trim_port(std::string_view rest) {
  if (rest.empty() || rest.front() != ':') return rest;
  std::size_t end = 1;
  while (end < rest.size() && end <= 5 && is_digit(rest[end])) ++end;
  return end == 1 ? rest : rest.substr(end);
}

std::string host_text(const IpAddress& ip) {
  return ip.is_v6() ? "[" + ip.to_string() + "]" : ip.to_string();
}

// Bodies that people wrote are theirs; those that programs wrote hold addresses of programs.
bool is_scrubbed_body(const wire::Message& message) {
  const auto text = message.find(HeaderName::ContentType);
  const auto type = wire::ContentType::parse(text.value_or(std::string_view{}));
  if (message.body().empty()) return false;
  return !type || !(type->is("text", "plain") || type->is("text", "html"));
}

struct Written {
  std::size_t offset = 0;
  std::size_t size = 0;  // with the brackets of IPv6
};

// The addresses in it that must go, one after another.
template <typename Hidden>
std::vector<Written> find_hidden(std::string_view text, const Hidden& hidden) {
  std::vector<Written> found;
  std::size_t end = 0;
  for (const auto& address : codec::find_addresses(text, hidden)) {
    if (address.offset < end) continue;  // overlaps the one before
    Written written{address.offset, address.size};
    end = address.offset + address.size;
    const bool brackets = address.offset > 0 && text[address.offset - 1] == '[' &&
                          end < text.size() && text[end] == ']';
    if (brackets) written = {address.offset - 1, address.size + 2};
    end = written.offset + written.size;
    found.push_back(written);
  }
  return found;
}

}  // namespace

bool is_encoded(const wire::Message& message) {
  const auto encoding = message.find(HeaderName::ContentEncoding);
  return encoding && !encoding->empty() && *encoding != "identity";
}

// ---- what is hidden ----

bool Topology::is_hidden(const IpAddress& ip, Place from, Place to) const {
  if (from.is_outside() || from == to || ip.is_unspecified()) return false;
  if (ip.is_private()) return true;
  for (const IpRange& range : config_.hidden)
    if (range.contains(ip)) return true;
  const auto it = nat_.find(from);
  return it != nat_.end() &&
         std::find(it->second.begin(), it->second.end(), ip) != it->second.end();
}

bool Topology::leaks(std::string_view text, Place from, Place to) const {
  if (from.is_outside() || from == to) return false;
  return !codec::find_addresses(text, [&](const IpAddress& ip) {
            return is_hidden(ip, from, to);
          }).empty();
}

std::string Topology::scrub(std::string_view text, const Crossing& crossing) const {
  std::string out;
  std::size_t at = 0;
  const auto hidden = [&](const IpAddress& ip) {
    return is_hidden(ip, crossing.from, crossing.to);
  };
  for (const Written& address : find_hidden(text, hidden)) {
    out.append(text.substr(at, address.offset - at));
    const std::string_view rest = text.substr(address.offset + address.size);
    out += config_.domain.empty() ? host_text(crossing.shown.ip) : config_.domain;
    // A port was that of the hidden address.
    const std::string_view behind = trim_port(rest);
    if (behind.size() != rest.size() && config_.domain.empty())
      out += ":" + std::to_string(crossing.shown.port);
    at = text.size() - behind.size();
  }
  return out.append(text.substr(at));
}

std::string Topology::scrub_sdp(std::string_view sdp, const Crossing& crossing,
                                const std::vector<IpAddress>& own) const {
  std::string out;
  std::size_t at = 0;
  const auto hidden = [&](const IpAddress& ip) {
    return is_hidden(ip, crossing.from, crossing.to) &&
           std::find(own.begin(), own.end(), ip) == own.end();
  };
  for (const Written& address : find_hidden(sdp, hidden)) {
    out.append(sdp.substr(at, address.offset - at));
    out += crossing.shown.ip.to_string();
    at = address.offset + address.size;
  }
  return out.append(sdp.substr(at));
}

void Topology::scrub(const wire::Message& message, wire::Editor& editor,
                     const Crossing& crossing) const {
  const auto& headers = message.headers();
  for (std::size_t i = 0; i < headers.size(); ++i)
    if (leaks(headers[i].value, crossing.from, crossing.to))
      editor.set(i, scrub(headers[i].value, crossing));
  if (is_scrubbed_body(message) && leaks(message.body(), crossing.from, crossing.to))
    editor.set_body(scrub(message.body(), crossing));
}

// ---- requests ----

std::string Topology::forward(const wire::Message& request, const RequestEdits& edits,
                              const Crossing& crossing, bool& identity_removed) const {
  wire::Editor editor{request};
  scrub(request, editor, crossing);
  editor.set_request_uri(edits.uri);
  const auto& headers = request.headers();
  const bool names_change = edits.from != request.find(HeaderName::From).value_or("") ||
                            edits.to != request.find(HeaderName::To).value_or("");
  identity_removed = names_change && request.has(HeaderName::Identity);
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const wire::Header& header = headers[i];
    switch (header.name) {
      case HeaderName::Via:
      case HeaderName::Route:
      case HeaderName::RecordRoute:
      case HeaderName::Path:
      case HeaderName::ServiceRoute:
      case HeaderName::Contact:
        editor.remove(i);
        continue;
      case HeaderName::From:
        editor.set(i, edits.from);
        continue;
      case HeaderName::To:
        editor.set(i, edits.to);
        continue;
      case HeaderName::CallId:
        if (header.value != edits.call_id) editor.set(i, edits.call_id);
        continue;
      case HeaderName::CSeq:
        if (const auto cseq = wire::CSeq::parse(header.value); cseq && edits.cseq_shift != 0)
          editor.set(
              i, std::to_string(cseq->number + edits.cseq_shift) + " " + std::string(cseq->method));
        continue;
      case HeaderName::RAck:
        if (const auto rack = wire::RAck::parse(header.value); rack && edits.cseq_shift != 0)
          editor.set(i, std::to_string(rack->rseq) + " " +
                            std::to_string(rack->cseq + edits.cseq_shift) + " " +
                            std::string(rack->method));
        continue;
      case HeaderName::MaxForwards:
      case HeaderName::ContentLength:
        continue;
      // RFC 8224: it signs From, To, Date and the fingerprints; the last are never touched.
      case HeaderName::Identity:
      case HeaderName::IdentityInfo:
        if (names_change) editor.remove(i);
        continue;
      default:
        continue;
    }
  }
  for (const auto& [index, value] : edits.values) editor.set(index, value);

  const auto hops = request.find(HeaderName::MaxForwards);
  const auto left = hops ? wire::parse_number(*hops) : fail(Errc::NotFound, "none");
  editor.set(HeaderName::MaxForwards, std::to_string(left && *left > 0 ? *left - 1 : 70));
  for (auto it = edits.routes.rbegin(); it != edits.routes.rend(); ++it)
    editor.add_first(HeaderName::Route, *it);
  if (!edits.contact.empty()) editor.add(HeaderName::Contact, edits.contact);
  if (!edits.authorization.empty())
    editor.set(
        edits.proxy_authorization ? HeaderName::ProxyAuthorization : HeaderName::Authorization,
        edits.authorization);
  if (edits.max_breadth != 0) editor.add_other("Max-Breadth", std::to_string(edits.max_breadth));
  if (edits.body) editor.set_body(*edits.body);
  return editor.finish();
}

// ---- responses ----

std::string Topology::forward(const wire::Message& response, const wire::Message& request,
                              const ResponseEdits& edits, const Crossing& crossing) const {
  wire::Editor editor{response};
  scrub(response, editor, crossing);
  const auto& headers = response.headers();
  const std::string_view asked_to = request.find(HeaderName::To).value_or("");
  const std::string_view tag = tag_of(response.find(HeaderName::To).value_or(""));
  bool contact_done = false;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const wire::Header& header = headers[i];
    switch (header.name) {
      case HeaderName::Via:
      case HeaderName::RecordRoute:
      case HeaderName::Path:
      case HeaderName::ServiceRoute:
        editor.remove(i);
        continue;
      case HeaderName::From:
        editor.set(i, request.find(HeaderName::From).value_or(""));
        continue;
      case HeaderName::To:
        editor.set(i, tag.empty() || !tag_of(asked_to).empty() ? std::string(asked_to)
                                                               : with_tag(asked_to, tag));
        continue;
      case HeaderName::CallId:
        editor.set(i, request.find(HeaderName::CallId).value_or(""));
        continue;
      case HeaderName::CSeq:
        editor.set(i, request.find(HeaderName::CSeq).value_or(""));
        continue;
      case HeaderName::Contact:
        if (edits.contact.empty()) continue;  // scrubbed as it is
        if (contact_done) {
          editor.remove(i);
        } else {
          editor.set(i, edits.contact);
        }
        contact_done = true;
        continue;
      case HeaderName::WwwAuthenticate:
      case HeaderName::ProxyAuthenticate:
        editor.set(
            i, scrub(without_auth_int(header.value).value_or(std::string(header.value)), crossing));
        continue;
      case HeaderName::ContentLength:
        continue;
      default:
        continue;
    }
  }
  if (edits.makes_dialog) {
    const auto routes = request.list(HeaderName::RecordRoute);
    for (auto it = routes.rbegin(); it != routes.rend(); ++it)
      editor.add_first(HeaderName::RecordRoute, *it);
  }
  const auto vias = request.list(HeaderName::Via);
  for (auto it = vias.rbegin(); it != vias.rend(); ++it) editor.add_first(HeaderName::Via, *it);
  if (edits.body) editor.set_body(*edits.body);
  return editor.finish();
}

// ---- values ----

std::string_view tag_of(std::string_view value) {
  const auto address = wire::NameAddr::parse(value);
  return address ? address->tag().value_or(std::string_view{}) : std::string_view{};
}

std::string without_tag(std::string_view value) {
  const auto address = wire::NameAddr::parse(value);
  if (!address) return std::string(value);
  const std::string_view parameters = address->parameters.text();
  if (parameters.empty()) return std::string(value);
  const std::string_view before =
      value.substr(0, static_cast<std::size_t>(parameters.data() - value.data()));
  return std::string(before).append(address->parameters.without("tag"));
}

std::string with_tag(std::string_view value, std::string_view tag) {
  std::string out(value);
  // Without angle brackets, ";tag" would be read as the header's all the same (RFC 3261 20.10).
  if (!tag.empty()) out.append(";tag=").append(tag);
  return out;
}

}  // namespace sallyport::adapter::sip
