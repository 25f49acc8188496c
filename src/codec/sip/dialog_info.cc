#include "codec/sip/dialog_info.h"

#include <array>
#include <utility>

namespace sallyport::codec::sip {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

constexpr std::array<std::pair<std::string_view, char>, 5> kEntities{
    {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};

// What must be passed over as a whole, since tags inside it are none.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kOpaque{
    {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}}};

void skip_space(std::string_view& text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  text.remove_prefix(first == std::string_view::npos ? text.size() : first);
}

std::string_view take_name(std::string_view& text) {
  const std::string_view name = text.substr(0, text.find_first_of(" \t\r\n=/><\"'"));
  text.remove_prefix(name.size());
  return name;
}

// Reads a start tag from behind its '<' and takes it off the text.
NamedDialog take_tag(std::string_view& text) {
  NamedDialog out;
  take_name(text);
  for (;;) {
    skip_space(text);
    const std::string_view name = take_name(text);
    if (name.empty()) return out;  // the end of the tag, or no XML
    skip_space(text);
    if (text.empty() || text.front() != '=') continue;
    text.remove_prefix(1);
    skip_space(text);
    if (text.empty() || (text.front() != '"' && text.front() != '\'')) return out;
    const std::size_t end = text.find(text.front(), 1);
    if (end == std::string_view::npos) return out;
    const std::string_view value = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (name == "call-id") out.call_id = value;
    if (name == "local-tag") out.local_tag = value;
    if (name == "remote-tag") out.remote_tag = value;
  }
}

// Where the text goes on behind the comment or the like at its beginning; 0: there is none.
std::size_t end_of_opaque(std::string_view text) {
  for (const auto& [begin, end] : kOpaque) {
    if (!text.starts_with(begin)) continue;
    const std::size_t at = text.find(end, begin.size());
    return at == std::string_view::npos ? text.size() : at + end.size();
  }
  return 0;
}

}  // namespace

std::vector<NamedDialog> find_named_dialogs(std::string_view body) {
  std::vector<NamedDialog> out;
  for (;;) {
    const std::size_t open = body.find('<');
    if (open == std::string_view::npos) return out;
    body.remove_prefix(open);
    if (const std::size_t end = end_of_opaque(body); end != 0) {
      body.remove_prefix(end);
      continue;
    }
    body.remove_prefix(1);
    const NamedDialog named = take_tag(body);
    if (!named.call_id.empty() && !named.local_tag.empty() && !named.remote_tag.empty())
      out.push_back(named);
  }
}

std::string xml_unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t taken = 1;
    char c = text.front();
    for (const auto& [entity, meant] : kEntities) {
      if (!text.starts_with(entity)) continue;
      taken = entity.size();
      c = meant;
    }
    out += c;
    text.remove_prefix(taken);
  }
  return out;
}

std::string xml_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    std::string_view written{&c, 1};
    for (const auto& [entity, meant] : kEntities)
      if (c == meant) written = entity;
    out += written;
  }
  return out;
}

}  // namespace sallyport::codec::sip
