// A SIP message (RFC 3261 section 7) as an index over its own octets, and the edits that turn it
// into the message that goes on. Parsing finds lines and classifies header names; values are parsed
// only when asked for (codec/sip/uri.h, codec/sip/headers.h). What no edit touches leaves octet for
// octet as it came: order, case, folding and spacing included. Values; no I/O; fuzzed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport::codec::sip {

// Methods that are treated alone; every other one is Other and is carried through by its text.
enum class Method : std::uint8_t {
  Invite,
  Ack,
  Cancel,
  Bye,
  Register,
  Options,
  Prack,
  Update,
  Refer,
  Subscribe,
  Notify,
  Publish,
  Message,
  Info,
  Other,
};
Method method_of(std::string_view text);  // case-sensitive, RFC 3261 7.1
std::string_view name(Method method);

// Headers that somebody asks for; the compact forms (RFC 3261 7.3.3) are the same header.
enum class HeaderName : std::uint8_t {
  Other,
  Accept,
  AlertInfo,
  Allow,
  AllowEvents,
  AuthenticationInfo,
  Authorization,
  CallId,
  CallInfo,
  Contact,
  ContentDisposition,
  ContentEncoding,
  ContentLength,
  ContentType,
  CSeq,
  Date,
  Diversion,
  ErrorInfo,
  Event,
  Expires,
  From,
  HistoryInfo,
  Identity,
  IdentityInfo,
  InReplyTo,
  Join,
  MaxForwards,
  MinExpires,
  MinSe,
  PAccessNetworkInfo,
  PAssertedIdentity,
  PAssociatedUri,
  PCalledPartyId,
  PPreferredIdentity,
  Path,
  ProxyAuthenticate,
  ProxyAuthorization,
  ProxyRequire,
  RAck,
  Reason,
  RecordRoute,
  ReferTo,
  ReferredBy,
  RemotePartyId,
  Replaces,
  ReplyTo,
  Require,
  RetryAfter,
  Route,
  RSeq,
  Server,
  ServiceRoute,
  SessionExpires,
  SipEtag,
  SipIfMatch,
  SubscriptionState,
  Supported,
  To,
  Unsupported,
  UserAgent,
  Via,
  Warning,
  WwwAuthenticate,
};
HeaderName header_name_of(std::string_view text);  // without case; compact forms too
std::string_view name(HeaderName header);          // the long form, as the RFCs spell it

struct Header {
  HeaderName name = HeaderName::Other;
  std::string_view name_text;  // as it came
  std::string_view value;      // white space around it trimmed; may hold folded lines
};

// Limits on what a stranger can send; beyond them parsing fails with Exhausted.
constexpr std::size_t kMaxMessage = 65535;
constexpr std::size_t kMaxHeaders = 512;

class Message {
 public:
  // A whole message: one datagram, or what framing cut out of a stream. Octets after Content-Length
  // are not part of it (RFC 3261 18.3). Fails when no start line and header block can be made out,
  // when Content-Length is more than there is, or is no number. A message that parses may still be
  // invalid: see validate().
  static Result<Message> parse(Bytes octets);
  static Result<Message> parse(std::string_view text) { return parse(as_bytes(text)); }

  Message(const Message& other);
  Message& operator=(const Message& other);
  Message(Message&&) noexcept = default;  // views stay valid: the octets live on the heap
  Message& operator=(Message&&) noexcept = default;
  ~Message() = default;

  bool is_request() const { return status_ == 0; }
  Method method() const { return method_; }  // of the request, or of a response's CSeq
  std::string_view method_text() const { return method_text_; }
  std::string_view request_uri() const { return request_uri_; }
  int status() const { return status_; }  // 100..699; 0 for a request
  std::string_view reason() const { return reason_; }

  const std::vector<Header>& headers() const { return headers_; }
  // The first header of that name.
  std::optional<std::string_view> find(HeaderName header) const;
  std::optional<std::string_view> find_other(std::string_view header_text) const;  // without case
  bool has(HeaderName header) const { return find(header).has_value(); }
  // Every element of a comma-separated header (Via, Route, Contact, Supported, ...) over all its
  // lines, in order; commas inside quotes and angle brackets do not separate.
  std::vector<std::string_view> list(HeaderName header) const;
  // Does a list of tokens (Require, Supported, Allow) hold this one? Without case.
  bool lists(HeaderName header, std::string_view token) const;

  std::string_view body() const { return body_; }
  std::string_view text() const { return text_; }  // the whole message

  // The fields that every message must have exactly once and well-formed (RFC 3261 8.1.1): From,
  // To, Call-ID, CSeq, Via, Max-Forwards if present; CSeq's method matches; the Request-URI has no
  // spaces or angle brackets; no mandatory header is doubled. The error names what a 400 should
  // say.
  Result<void> validate() const;

 private:
  Message() = default;
  Result<void> index();

  std::vector<char> octets_;
  std::string_view text_, method_text_, request_uri_, reason_, body_;
  Method method_ = Method::Other;
  int status_ = 0;
  std::vector<Header> headers_;
  friend class Editor;
};

// Edits to a message, applied in one pass of copying. What is added goes where the field expects
// it: Via, Route and Record-Route at the top, all else behind the last header. Content-Length is
// always made right. The message must outlive the editor; edits name headers by their index in
// headers().
class Editor {
 public:
  explicit Editor(const Message& message) : message_(message) {}

  void set_request_uri(std::string_view uri);
  void set_status(int status, std::string_view reason);
  void remove(std::size_t index);
  void remove(HeaderName header);  // every line of it
  void set(std::size_t index, std::string_view value);
  void set(HeaderName header,
           std::string_view value);  // the first line changes, others go; or added
  void add(HeaderName header, std::string_view value);
  void add_other(std::string_view header_text, std::string_view value);
  void add_first(HeaderName header, std::string_view value);  // above every line of that header
  void set_body(std::string_view body);
  void set_body(std::string_view body, std::string_view content_type);
  void remove_body();  // with the headers that describe it

  std::string finish() const;

 private:
  struct Edit {
    std::size_t index;
    std::optional<std::string> value;  // nothing: the line is removed
  };
  struct Added {
    std::string line;
    bool first;
  };
  const Message& message_;
  std::optional<std::string> request_uri_, body_, start_line_;
  std::vector<Edit> edits_;
  std::vector<Added> added_;
};

// Builds a message from nothing: responses, ACK, CANCEL, BYE and requests of our own.
class Builder {
 public:
  static Builder request(std::string_view method, std::string_view uri);
  // A response to `request` with Via, From, To, Call-ID and CSeq copied (RFC 3261 8.2.6.2); To gets
  // `to_tag` if it has none and one is given.
  static Builder response(const Message& request, int status, std::string_view reason,
                          std::string_view to_tag = {});
  Builder& add(HeaderName header, std::string_view value);
  Builder& add_other(std::string_view header_text, std::string_view value);
  Builder& body(std::string_view content_type, std::string_view body);
  std::string finish() const;  // with Content-Length

 private:
  std::string head_, content_type_, body_;
};

std::string_view default_reason(int status);  // RFC 3261 section 21 and its extensions

}  // namespace sallyport::codec::sip
