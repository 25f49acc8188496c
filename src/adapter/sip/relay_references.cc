// What a message says about other dialogs and about contacts that we gave out: Refer-To, Replaces,
// Join, Target-Dialog, and the dialogs that a phone tells its watchers of (RFC 4235). Each side
// knows its own dialog with us; so that a transfer or a pickup works, what one side says must
// become what the other side knows.
#include <algorithm>
#include <cctype>

#include "adapter/sip/relay.h"
#include "codec/sip/dialog_info.h"
#include "codec/sip/headers.h"
#include "codec/sip/multipart.h"

namespace sallyport::adapter::sip {
namespace {

using wire::HeaderName;

bool same_text(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

}  // namespace

void Relay::translate(const wire::Message& request, const Hop& from, const Crossing& crossing,
                      RequestEdits& edits) {
  const auto& headers = request.headers();
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const wire::Header& header = headers[i];
    const bool names_dialog = header.name == HeaderName::Replaces ||
                              header.name == HeaderName::Join ||
                              same_text(header.name_text, "Target-Dialog");
    std::string value;
    if (header.name == HeaderName::ReferTo) {
      value = translate_refer_to(header.value, from, crossing);
    } else if (names_dialog) {
      value = translate_dialog_id(header.value, edits.uri, crossing);
    } else if (same_text(header.name_text, "Max-Breadth") && edits.max_breadth != 0) {
      value = std::to_string(edits.max_breadth);
      edits.max_breadth = 0;
    } else {
      continue;
    }
    if (value != header.value) edits.values.emplace_back(i, std::move(value));
  }
  const auto type =
      wire::ContentType::parse(request.find(HeaderName::ContentType).value_or(std::string_view{}));
  if (type && type->is("application", "dialog-info+xml") && !is_encoded(request))
    edits.body = translate_dialog_info(request.body(), crossing);
}

// The watcher will say Replaces or Join with what it reads here.
std::string Relay::translate_dialog_info(std::string_view body, const Crossing& crossing) {
  std::string out;
  std::size_t at = 0;
  for (const wire::NamedDialog& named : wire::find_named_dialogs(body)) {
    const auto call_id =
        call_id_toward(wire::xml_unescape(named.call_id), wire::xml_unescape(named.local_tag),
                       wire::xml_unescape(named.remote_tag), {}, crossing);
    if (!call_id) continue;
    const auto begin = static_cast<std::size_t>(named.call_id.data() - body.data());
    // A Call-ID may hold an address of the place where it goes: it is not scrubbed.
    out += topology_.scrub(body.substr(at, begin - at), crossing);
    out += wire::xml_escape(*call_id);
    at = begin + named.call_id.size();
  }
  return out + topology_.scrub(body.substr(at), crossing);
}

// The Call-ID of a dialog as the party at `uri` (or else the one at that place) knows it; nothing
// if there is no such dialog. Tags are the same everywhere.
std::optional<std::string> Relay::call_id_toward(std::string_view call_id, std::string_view one_tag,
                                                 std::string_view other_tag, std::string_view uri,
                                                 const Crossing& crossing) {
  const DialogPtr dialog = dialogs_.find_named(call_id, one_tag, other_tag);
  if (!dialog) return std::nullopt;
  std::optional<Side> side;
  for (const Side candidate : {kCallee, kCaller})
    if (dialog->parties[candidate]->hop.place == crossing.to) side = candidate;
  for (const Side candidate : {kCallee, kCaller})
    if (dialog->parties[candidate]->target == uri) side = candidate;
  const std::string& known = dialog->names[side.value_or(kCallee)].call_id;
  if (side || !topology_.leaks(known, dialog->parties[kCallee]->hop.place, crossing.to))
    return known;
  // Told to somebody who is in neither: he will say it to us again, and need not see it.
  if (dialog->alias.empty()) dialogs_.set_alias(dialog, stack_.random.hex(16));
  return dialog->alias;
}

std::string Relay::translate_dialog_id(std::string_view value, std::string_view uri,
                                       const Crossing& crossing) {
  const auto named = wire::DialogId::parse(value);
  if (!named) return topology_.scrub(value, crossing);
  const auto call_id =
      call_id_toward(named->call_id, named->to_tag, named->from_tag, uri, crossing);
  if (!call_id) return topology_.scrub(value, crossing);
  const auto behind =
      static_cast<std::size_t>(named->call_id.data() + named->call_id.size() - value.data());
  return *call_id + std::string(value.substr(behind));
}

// Whoever is referred will ask us for this URI: it names a contact of ours, or an identity, in a
// way that leads from there to us.
std::string Relay::translate_refer_to(std::string_view value, const Hop& from,
                                      const Crossing& crossing) {
  const auto address = wire::NameAddr::parse(value);
  if (!address || !address->uri.is_sip()) return topology_.scrub(value, crossing);
  const wire::Uri& uri = address->uri;
  const auto ip = IpAddress::parse(uri.host);
  const bool token = dialogs_.find_party(uri.user) != nullptr;
  const bool own = ip && stack_.transport.is_own_address(from.place, *ip);
  const bool hidden = ip && topology_.is_hidden(*ip, crossing.from, crossing.to);

  std::string text(uri.scheme);
  text += ":";
  if (!uri.user.empty()) text.append(uri.user).append("@");
  if (token || ((own || hidden) && (!crossing.to.is_outside() || stack_.config.domain.empty()))) {
    text += crossing.shown.to_string();
    text += wire::Parameters{uri.parameters.without("maddr")}.without("transport");
  } else if (own || hidden) {
    text += stack_.config.domain;
    text += wire::Parameters{uri.parameters.without("maddr")}.without("transport");
  } else {
    text += uri.host;
    if (uri.port != 0) text += ":" + std::to_string(uri.port);
    text += topology_.scrub(uri.parameters.text(), crossing);
  }
  char separator = '?';
  for (std::string_view rest = uri.headers; !rest.empty();) {
    const std::string_view header = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), header.size() + 1));
    const std::size_t equals = header.find('=');
    const std::string_view field = header.substr(0, equals);
    text += separator;
    text += field;
    separator = '&';
    if (equals == std::string_view::npos) continue;
    std::string plain = wire::unescape(header.substr(equals + 1));
    const bool names_dialog = same_text(field, "Replaces") || same_text(field, "Join");
    const std::string changed =
        names_dialog ? translate_dialog_id(plain, {}, crossing) : topology_.scrub(plain, crossing);
    text += '=';
    text +=
        changed == plain ? std::string(header.substr(equals + 1)) : wire::escape_header(changed);
  }
  return address->with_uri(text);
}

// ---- From and To inside a dialog ----

// A side's own names for the parties, unless the sender has changed its own (RFC 4916).
std::string Relay::from_toward(const Dialog& dialog, Side from, const wire::Message& request,
                               const Crossing& crossing) const {
  const std::string_view value = request.find(HeaderName::From).value_or("");
  if (without_tag(value) != dialog.names[from].self) return topology_.scrub(value, crossing);
  return with_tag(dialog.names[other_side(from)].other, tag_of(value));
}

std::string Relay::to_toward(const Dialog& dialog, Side from, const wire::Message& request,
                             const Crossing& crossing) const {
  const std::string_view value = request.find(HeaderName::To).value_or("");
  if (without_tag(value) != dialog.names[from].other) return topology_.scrub(value, crossing);
  return with_tag(dialog.names[other_side(from)].self, tag_of(value));
}

}  // namespace sallyport::adapter::sip
