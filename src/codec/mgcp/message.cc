#include "codec/mgcp/message.h"

#include <algorithm>

#include "codec/text.h"

namespace sallyport::codec::mgcp {
namespace {

constexpr std::pair<std::string_view, Verb> kVerbs[] = {
    {"EPCF", Verb::Epcf}, {"CRCX", Verb::Crcx}, {"MDCX", Verb::Mdcx},
    {"DLCX", Verb::Dlcx}, {"RQNT", Verb::Rqnt}, {"NTFY", Verb::Ntfy},
    {"AUEP", Verb::Auep}, {"AUCX", Verb::Aucx}, {"RSIP", Verb::Rsip}};

// A line without its end, taken off `rest` with it: CRLF, or the bare LF that RFC 3435 3.1 allows.
std::string_view take_line(std::string_view& rest) {
  std::string_view line = take_until(rest, '\n');
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view take_word(std::string_view& rest) {
  rest = trim_left(rest);
  std::size_t end = 0;
  while (end < rest.size() && !is_space(rest[end])) ++end;
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

std::optional<TransactionId> transaction_id(std::string_view text) {
  const auto number = decimal(text, kMaxTransactionId);
  if (!number || *number == 0) return std::nullopt;
  return static_cast<TransactionId>(*number);
}

bool is_verb(std::string_view text) {
  return text.size() == 4 && std::all_of(text.begin(), text.end(), is_alphanumeric);
}

}  // namespace

Verb verb_of(std::string_view text) {
  for (const auto& [name, verb] : kVerbs)
    if (equals_without_case(name, text)) return verb;
  return Verb::Other;
}

std::vector<std::string_view> split_datagram(std::string_view datagram) {
  std::vector<std::string_view> out;
  const char* begin = datagram.data();
  const auto add = [&](const char* end) {
    const std::string_view message{begin, static_cast<std::size_t>(end - begin)};
    if (!trim(message).empty() && out.size() < kMaxPiggyBacked) out.push_back(message);
  };
  std::string_view rest = datagram;
  while (!rest.empty()) {
    const char* line_begin = rest.data();
    if (take_line(rest) != ".") continue;
    add(line_begin);
    begin = rest.data();
  }
  if (!datagram.empty()) add(datagram.data() + datagram.size());
  return out;
}

Result<Message> Message::parse(std::string_view text) {
  Message out;
  out.text_ = text;
  std::string_view rest = text;
  // Empty lines before the first are what a careless sender leaves behind a dot.
  std::string_view line;
  while (!rest.empty() && line.empty()) line = take_line(rest);
  if (const auto indexed = out.index_first_line(line); !indexed)
    return tl::make_unexpected(indexed.error());

  const auto offset = [&] { return text.size() - rest.size(); };
  out.parameters_end_ = offset();
  while (!rest.empty()) {
    line = take_line(rest);
    if (line.empty()) break;
    if (out.parameters_.size() == kMaxParameters)
      return fail(Errc::Exhausted, "too many parameters", offset());
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail(Errc::BadValue, "no parameter", offset());
    const std::string_view after = line.substr(colon + 1);
    std::string_view value = trim(after);
    // An empty value stands directly behind the colon, where an edit puts the new one.
    if (value.empty()) value = after.substr(0, 0);
    out.parameters_.push_back({trim(line.substr(0, colon)), value});
    out.parameters_end_ = offset();
  }
  while (!rest.empty()) {
    const std::size_t begin = offset();
    std::size_t end = begin;
    while (!rest.empty() && !take_line(rest).empty()) end = offset();
    if (end == begin) continue;  // more than one empty line
    if (out.descriptions_.size() == kMaxDescriptions)
      return fail(Errc::Exhausted, "too many session descriptions", begin);
    out.descriptions_.push_back(text.substr(begin, end - begin));
  }
  return out;
}

std::optional<TransactionId> Message::transaction_of_command(std::string_view text) {
  std::string_view rest = trim_left(text);
  std::string_view line = take_line(rest);
  if (!is_verb(take_word(line))) return std::nullopt;
  return transaction_id(take_word(line));
}

Result<void> Message::index_first_line(std::string_view line) {
  if (std::any_of(line.begin(), line.end(), [](char c) { return is_control(c) && c != '\t'; }))
    return fail(Errc::BadValue, "control characters in the first line");
  std::string_view rest = line;
  const std::string_view first = take_word(rest);
  const bool is_response = first.size() == 3 && std::all_of(first.begin(), first.end(), is_digit);
  verb_text_ = first;
  transaction_text_ = take_word(rest);
  const auto transaction = transaction_id(transaction_text_);
  if (!transaction) return fail(Errc::BadValue, "transaction-id");
  transaction_ = *transaction;
  return is_response ? index_response(rest) : index_command(rest);
}

Result<void> Message::index_command(std::string_view rest) {
  if (!is_verb(verb_text_)) return fail(Errc::BadValue, "verb");
  verb_ = verb_of(verb_text_);
  endpoint_ = take_word(rest);
  if (endpoint_.empty()) return fail(Errc::BadValue, "endpoint name");
  if (!equals_without_case(take_word(rest), "MGCP")) return fail(Errc::BadValue, "protocol name");
  version_ = trim(rest);
  if (version_.empty()) return fail(Errc::BadValue, "protocol version");
  return {};
}

Result<void> Message::index_response(std::string_view rest) {
  code_ = static_cast<int>(decimal(verb_text_, 999).value_or(999));
  rest = trim(rest);
  if (rest.starts_with('/')) {
    package_ = take_word(rest);
    package_.remove_prefix(1);
  }
  commentary_ = trim(rest);
  return {};
}

std::optional<std::string_view> Message::find(std::string_view name) const {
  for (const Parameter& parameter : parameters_)
    if (equals_without_case(parameter.name, name)) return parameter.value;
  return std::nullopt;
}

}  // namespace sallyport::codec::mgcp
