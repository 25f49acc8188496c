// Editor and Builder: what becomes of a message, and messages of our own.
#include <algorithm>

#include "codec/sip/lines.h"
#include "codec/sip/message.h"
#include "codec/sip/uri.h"
#include "codec/text.h"

namespace sallyport::codec::sip {
namespace {

// Values may stem from strangers, unescaped or folded: no line end gets into a header by them.
void append_value(std::string& out, std::string_view value) {
  const std::size_t at = out.size();
  out += value;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(at), out.end(),
      [](char c) { return c == '\r' || c == '\n'; }, ' ');
}

void append_line(std::string& out, std::string_view header_text, std::string_view value) {
  append_value(out, header_text);
  out += ": ";
  append_value(out, value);
  out += "\r\n";
}

// RFC 3261 7.3.1: what proxies look at stands at the top.
bool goes_first(HeaderName header) {
  return header == HeaderName::Via || header == HeaderName::Route ||
         header == HeaderName::RecordRoute;
}

}  // namespace

void Editor::set_request_uri(std::string_view uri) { request_uri_ = uri; }

void Editor::set_status(int status, std::string_view reason) {
  start_line_ = "SIP/2.0 " + std::to_string(status) + " ";
  append_value(*start_line_, reason);
}

void Editor::remove(std::size_t index) { edits_.push_back({index, std::nullopt}); }

void Editor::remove(HeaderName header) {
  for (std::size_t i = 0; i < message_.headers_.size(); ++i)
    if (message_.headers_[i].name == header) remove(i);
}

void Editor::set(std::size_t index, std::string_view value) {
  edits_.push_back({index, std::string{value}});
}

void Editor::set(HeaderName header, std::string_view value) {
  bool done = false;
  for (std::size_t i = 0; i < message_.headers_.size(); ++i) {
    if (message_.headers_[i].name != header) continue;
    if (done)
      remove(i);
    else
      set(i, value);
    done = true;
  }
  if (!done) add(header, value);
}

void Editor::add(HeaderName header, std::string_view value) {
  if (goes_first(header)) return add_first(header, value);
  add_line(name(header), value, message_.headers_.size());
}

void Editor::add_other(std::string_view header_text, std::string_view value) {
  add_line(header_text, value, message_.headers_.size());
}

void Editor::add_first(HeaderName header, std::string_view value) {
  const auto& headers = message_.headers_;
  const auto it = std::find_if(headers.begin(), headers.end(),
                               [&](const Header& h) { return h.name == header; });
  const auto before =
      it == headers.end() ? std::size_t{0} : static_cast<std::size_t>(it - headers.begin());
  // The last one added is uppermost; added_by_place() keeps the order of added_.
  add_line(name(header), value, before);
  std::rotate(added_.begin(), added_.end() - 1, added_.end());
}

void Editor::add_line(std::string_view header_text, std::string_view value, std::size_t before) {
  Added& added = added_.emplace_back();
  append_line(added.line, header_text, value);
  added.before = before;
}

void Editor::set_body(std::string_view body) { body_ = body; }

void Editor::set_body(std::string_view body, std::string_view content_type) {
  set_body(body);
  set(HeaderName::ContentType, content_type);
}

void Editor::remove_body() {
  set_body({});
  for (const HeaderName header :
       {HeaderName::ContentType, HeaderName::ContentEncoding, HeaderName::ContentDisposition,
        HeaderName::ContentLanguage, HeaderName::MimeVersion})
    remove(header);
}

bool Editor::empty() const {
  return edits_.empty() && added_.empty() && !request_uri_ && !body_ && !start_line_;
}

// The edit of each header that has one, in the order of the headers; of several the last counts.
std::vector<const Editor::Edit*> Editor::edits_by_index() const {
  std::vector<const Edit*> edits(message_.headers_.size(), nullptr);
  for (const Edit& edit : edits_)
    if (edit.index < edits.size()) edits[edit.index] = &edit;
  return edits;
}

std::vector<const Editor::Added*> Editor::added_by_place() const {
  std::vector<const Added*> added;
  added.reserve(added_.size());
  for (const Added& a : added_) added.push_back(&a);
  std::stable_sort(added.begin(), added.end(),
                   [](const Added* a, const Added* b) { return a->before < b->before; });
  return added;
}

void Editor::append_start_line(std::string& out) const {
  const std::string_view text = message_.text_;
  const std::size_t begin = text.find_first_not_of("\r\n");
  const std::size_t end = line_end(text, begin);
  const std::string_view line = without_line_end(text.substr(begin, end - begin));
  out += text.substr(0, begin);
  if (start_line_) {
    out += *start_line_;
  } else if (request_uri_ && message_.is_request()) {
    const auto uri = static_cast<std::size_t>(message_.request_uri_.data() - line.data());
    out += line.substr(0, uri);
    append_value(out, *request_uri_);
    out += line.substr(uri + message_.request_uri_.size());
  } else {
    out += line;
  }
  out += text.substr(begin + line.size(), end - begin - line.size());
}

std::string Editor::finish() const {
  const std::string_view text = message_.text_;
  if (empty()) return std::string{text};
  const std::string_view body = body_ ? std::string_view{*body_} : message_.body_;
  const auto offset = [&](std::string_view view) {
    return static_cast<std::size_t>(view.data() - text.data());
  };
  const auto edits = edits_by_index();
  const auto added = added_by_place();
  const auto& headers = message_.headers_;

  std::string out;
  out.reserve(text.size() + body.size() + 512);
  append_start_line(out);
  auto next = added.begin();
  std::size_t at = headers.empty() ? message_.headers_end_ : offset(headers[0].name_text);
  bool has_length = false;
  const auto copy_to = [&](std::size_t end) {
    out += text.substr(at, end - at);
    at = end;
  };
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (next != added.end() && (*next)->before == i) {
      copy_to(offset(headers[i].name_text));
      for (; next != added.end() && (*next)->before == i; ++next) out += (*next)->line;
    }
    if (headers[i].name == HeaderName::ContentLength) {
      has_length = true;
      if (decimal(headers[i].value, kMaxMessage) == body.size()) continue;
      copy_to(offset(headers[i].value));
      out += std::to_string(body.size());
      at += headers[i].value.size();
    } else if (edits[i] != nullptr && edits[i]->value) {
      copy_to(offset(headers[i].value));
      append_value(out, *edits[i]->value);
      at += headers[i].value.size();
    } else if (edits[i] != nullptr) {
      copy_to(offset(headers[i].name_text));
      at = i + 1 < headers.size() ? offset(headers[i + 1].name_text) : message_.headers_end_;
    }
  }
  copy_to(message_.headers_end_);
  if (!out.ends_with('\n')) out += "\r\n";  // a head whose end was missing
  for (; next != added.end(); ++next) out += (*next)->line;
  if (!has_length) append_line(out, name(HeaderName::ContentLength), std::to_string(body.size()));
  // The empty line as it came.
  const std::size_t behind = offset(message_.body_);
  if (behind > at)
    copy_to(behind);
  else
    out += "\r\n";
  out += body;
  return out;
}

Builder Builder::request(std::string_view method, std::string_view uri) {
  Builder out;
  append_value(out.head_, method);
  out.head_ += ' ';
  append_value(out.head_, uri);
  out.head_ += " SIP/2.0\r\n";
  return out;
}

Builder Builder::response(const Message& request, int status, std::string_view reason,
                          std::string_view to_tag) {
  Builder out;
  out.head_ = "SIP/2.0 " + std::to_string(status) + " ";
  append_value(out.head_, reason.empty() ? default_reason(status) : reason);
  out.head_ += "\r\n";
  for (const Header& header : request.headers())
    if (header.name == HeaderName::Via) out.add(HeaderName::Via, header.value);
  if (const auto from = request.find(HeaderName::From)) out.add(HeaderName::From, *from);
  if (const auto to = request.find(HeaderName::To)) {
    const auto parsed = NameAddr::parse(*to);
    std::string value{*to};
    if (parsed && !parsed->tag() && !to_tag.empty()) value += ";tag=" + std::string{to_tag};
    out.add(HeaderName::To, value);
  }
  if (const auto id = request.find(HeaderName::CallId)) out.add(HeaderName::CallId, *id);
  if (const auto cseq = request.find(HeaderName::CSeq)) out.add(HeaderName::CSeq, *cseq);
  // RFC 3261 8.2.6.1: a Timestamp of the request is copied into the 100.
  if (const auto stamp = request.find(HeaderName::Timestamp); status == 100 && stamp)
    out.add(HeaderName::Timestamp, *stamp);
  return out;
}

Builder& Builder::add(HeaderName header, std::string_view value) {
  return add_other(name(header), value);
}

Builder& Builder::add_other(std::string_view header_text, std::string_view value) {
  append_line(head_, header_text, value);
  return *this;
}

Builder& Builder::body(std::string_view content_type, std::string_view body) {
  content_type_ = content_type;
  body_ = body;
  return *this;
}

std::string Builder::finish() const {
  std::string out = head_;
  if (!content_type_.empty()) append_line(out, name(HeaderName::ContentType), content_type_);
  append_line(out, name(HeaderName::ContentLength), std::to_string(body_.size()));
  out += "\r\n";
  out += body_;
  return out;
}

}  // namespace sallyport::codec::sip
