// The dialogs that an application/dialog-info+xml body names (RFC 4235): in its <dialog> and
// <replaces> elements, and wherever else an element has these attributes. Only start tags are read;
// a body that is no XML names none, or fewer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::codec::sip {

struct NamedDialog {
  std::string_view call_id;  // as it is written, a view into the body
  std::string_view local_tag, remote_tag;
};

// Those with a Call-ID and both tags, in the order of their Call-IDs in the body.
std::vector<NamedDialog> find_named_dialogs(std::string_view body);

// The five entities of XML 4.6 taken off an attribute's value / put on.
std::string xml_unescape(std::string_view text);
std::string xml_escape(std::string_view text);

}  // namespace sallyport::codec::sip
