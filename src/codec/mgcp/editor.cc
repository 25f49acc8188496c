// Editor: what becomes of a message, and messages of our own.
#include <algorithm>
#include <utility>

#include "codec/mgcp/message.h"

namespace sallyport::codec::mgcp {
namespace {

// Values may stem from strangers: no line end gets into a message by them.
std::string one_line(std::string_view text) {
  std::string out{text};
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
  return out;
}

}  // namespace

void Editor::replace(std::string_view what, std::string text) {
  const auto begin = static_cast<std::size_t>(what.data() - message_.text_.data());
  const std::size_t end = begin + what.size();
  // Of several edits to one place the last counts.
  const auto same = std::find_if(splices_.begin(), splices_.end(), [&](const Splice& each) {
    return each.begin == begin && each.end == end && begin != end;
  });
  if (same != splices_.end())
    same->text = std::move(text);
  else
    splices_.push_back({begin, end, std::move(text)});
}

void Editor::set_transaction(TransactionId id) {
  replace(message_.transaction_text_, std::to_string(id));
}

void Editor::set_endpoint(std::string_view endpoint) {
  if (message_.is_command()) replace(message_.endpoint_, one_line(endpoint));
}

void Editor::set_commentary(std::string_view commentary) {
  if (!message_.commentary_.empty()) replace(message_.commentary_, one_line(commentary));
}

void Editor::set(std::size_t parameter, std::string_view value) {
  const std::string_view old = message_.parameters_[parameter].value;
  const bool after_colon = old.empty() && old.data()[-1] == ':';
  replace(old, (after_colon ? " " : "") + one_line(value));
}

void Editor::remove(std::size_t parameter) {
  const std::string_view text = message_.text_;
  const std::string_view name = message_.parameters_[parameter].name;
  const auto at = static_cast<std::size_t>(name.data() - text.data());
  const std::size_t before = text.rfind('\n', at);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  const std::size_t newline = text.find('\n', at);
  const std::size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
  replace(text.substr(begin, end - begin), {});
}

void Editor::add(std::string_view name, std::string_view value) {
  replace(message_.text_.substr(message_.parameters_end_, 0),
          one_line(name) + ": " + one_line(value) + "\r\n");
  splices_.back().is_line = true;
}

void Editor::set_description(std::size_t description, std::string_view text) {
  replace(message_.descriptions_[description], std::string{text});
}

std::string Editor::finish() const {
  std::vector<const Splice*> splices;
  splices.reserve(splices_.size());
  for (const Splice& each : splices_) splices.push_back(&each);
  std::stable_sort(splices.begin(), splices.end(), [](const Splice* a, const Splice* b) {
    return std::pair{a->begin, a->end} < std::pair{b->begin, b->end};
  });
  std::string out;
  out.reserve(message_.text_.size() + 256);
  std::size_t at = 0;
  for (const Splice* each : splices) {
    if (each->begin < at) continue;  // a value of a parameter that goes as a whole
    out += message_.text_.substr(at, each->begin - at);
    if (each->is_line && !out.ends_with('\n')) out += "\r\n";
    out += each->text;
    at = each->end;
  }
  out += message_.text_.substr(at);
  return out;
}

std::string response(int code, TransactionId transaction, std::string_view commentary) {
  std::string number = std::to_string(code);
  number.insert(0, 3 - std::min<std::size_t>(3, number.size()), '0');
  std::string out = number + " " + std::to_string(transaction);
  if (!commentary.empty()) out += " " + one_line(commentary);
  return out + "\r\n";
}

std::string command(std::string_view verb, TransactionId transaction, std::string_view endpoint) {
  return one_line(verb) + " " + std::to_string(transaction) + " " + one_line(endpoint) +
         " MGCP 1.0\r\n";
}

}  // namespace sallyport::codec::mgcp
