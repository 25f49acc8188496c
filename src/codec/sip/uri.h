// SIP, SIPS and TEL URIs (RFC 3261 19.1, RFC 3966) and the name-addr form around them (RFC
// 3261 20.10): views over the text they were read from.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sallyport::codec::sip {

// One parameter as it stands in its list.
struct Parameter {
  std::string_view name;
  std::string_view value;  // quotes taken off, \-escapes inside them kept; empty if none
  std::string_view text;   // from the ';' to the end of the value
};

// A list of ;name=value parameters, kept as text.
class Parameters {
 public:
  Parameters() = default;
  explicit Parameters(std::string_view text) : text_(text) {}  // begins with ';' or is empty
  bool has(std::string_view name) const;                       // without case
  // The value, quotes taken off; empty text for a parameter without value.
  std::optional<std::string_view> find(std::string_view name) const;
  std::vector<Parameter> list() const;  // empty ones (;;) left out
  // Every parameter has a name, and every quote its end.
  bool well_formed() const;
  std::string_view text() const { return text_; }
  // The same list without `name`; with `name` set (replaced in place, or appended).
  std::string without(std::string_view name) const;
  std::string with(std::string_view name, std::string_view value) const;

 private:
  std::string_view text_;
};

struct Uri {
  std::string_view scheme;    // "sip", "sips", "tel"; as written
  std::string_view user;      // escaped as it came; empty if none. tel: the number
  std::string_view password;  // deprecated, kept
  std::string_view host;      // name, IPv4, or [IPv6] with its brackets
  std::uint16_t port = 0;     // 0: none
  Parameters parameters;
  std::string_view headers;  // behind '?', without it
  std::string_view text;     // the whole URI

  // BadValue unless sip, sips or tel in a form RFC 3261 25.1 / RFC 3966 allows; a well-formed URI
  // of another scheme is Unsupported (416).
  static Result<Uri> parse(std::string_view text);
  template <std::same_as<std::string> Temporary>
  static Result<Uri> parse(Temporary&&) = delete;  // what is parsed must outlive this
  bool is_sip() const;                             // sip or sips
  bool is_sips() const;
  bool is_tel() const;
};

// "sip:user@host" in canonical form: scheme sip (sips folds to sip), user unescaped where it need
// not be escaped, host in lower case, no port, no parameters: the identity of an address of record.
std::string address_of_record(const Uri& uri);
// The same with another host (our default domain under another name).
std::string address_of_record(const Uri& uri, std::string_view host);
// Equality by RFC 3261 19.1.4.
bool equivalent(const Uri& a, const Uri& b);

// From, To, Contact, Route, Record-Route, Refer-To ...: [display] <uri>;params or uri;params. The
// URI may be of any scheme here (RFC 4475 3.3.4): then it has scheme and text only, and is_sip()
// is false.
struct NameAddr {
  std::string_view display;  // as written, quotes kept
  Uri uri;
  Parameters parameters;     // of the header, behind the URI
  bool is_wildcard = false;  // Contact: *

  static Result<NameAddr> parse(std::string_view text);
  template <std::same_as<std::string> Temporary>
  static Result<NameAddr> parse(Temporary&&) = delete;  // what is parsed must outlive this
  std::optional<std::string_view> tag() const { return parameters.find("tag"); }
  // The text with another URI, everything else as it came (angle brackets are added).
  std::string with_uri(std::string_view uri) const;
  std::string_view text;
};

}  // namespace sallyport::codec::sip
