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
  AcceptContact,
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
  ContentLanguage,
  ContentLength,
  ContentType,
  CSeq,
  Date,
  Diversion,
  ErrorInfo,
  Event,
  Expires,
  FlowTimer,
  From,
  Geolocation,
  HistoryInfo,
  Identity,
  IdentityInfo,
  InReplyTo,
  Join,
  MaxForwards,
  MimeVersion,
  MinExpires,
  MinSe,
  Organization,
  PAccessNetworkInfo,
  PAssertedIdentity,
  PAssociatedUri,
  PCalledPartyId,
  PChargingVector,
  PPreferredIdentity,
  PVisitedNetworkId,
  Path,
  Privacy,
  ProxyAuthenticate,
  ProxyAuthorization,
  ProxyRequire,
  RAck,
  Reason,
  RecordRoute,
  ReferSub,
  ReferTo,
  ReferredBy,
  RejectContact,
  RemotePartyId,
  Replaces,
  ReplyTo,
  RequestDisposition,
  Require,
  RetryAfter,
  Route,
  RSeq,
  SecurityClient,
  SecurityServer,
  SecurityVerify,
  Server,
  ServiceRoute,
  SessionExpires,
  SipEtag,
  SipIfMatch,
  Subject,
  SubscriptionState,
  Supported,
  TargetDialog,
  Timestamp,
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
  // Start line and headers alone, for answering (400) what parse() refuses: what Content-Length
  // says does not matter, the end of the header block may be missing, and the body is empty.
  static Result<Message> parse_head(Bytes octets);

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
  // lines, in order; commas inside quotes and angle brackets do not separate. Empty elements are
  // left out. Not for challenges and credentials: their commas separate parameters.
  std::vector<std::string_view> list(HeaderName header) const;
  // Does a list of tokens (Require, Supported, Allow) hold this one? Without case.
  bool lists(HeaderName header, std::string_view token) const;

  std::string_view body() const { return body_; }
  std::string_view text() const { return text_; }  // the whole message

  // The fields that every message must have exactly once and well-formed (RFC 3261 8.1.1): From,
  // To, Call-ID, CSeq, Via, Max-Forwards if present; CSeq's method matches; the Request-URI has no
  // spaces, angle brackets or headers; nothing that must stand alone is doubled; Contact and Date
  // of a request are well-formed. The error names what a 400 should say; Unsupported is a SIP
  // version other than 2.0 (505).
  Result<void> validate() const;

 private:
  enum class Extent : std::uint8_t { Whole, Head };

  Message() = default;
  static Result<Message> parse(Bytes octets, Extent extent);
  Result<void> index(Extent extent);
  Result<void> index_start_line(std::string_view line);
  Result<std::size_t> index_headers(std::size_t at, Extent extent);  // the body's offset
  Result<void> index_body(std::size_t at);
  Result<void> validate_start_line() const;
  Result<void> validate_request() const;

  std::vector<char> octets_;
  std::size_t headers_end_ = 0;  // offset of the empty line in text_
  std::string_view text_, method_text_, request_uri_, reason_, body_;
  Method method_ = Method::Other;
  int status_ = 0;
  std::vector<Header> headers_;
  friend class Editor;
};

// Edits to a message, applied in one pass of copying; without any edit the text comes out as it
// went in. What is added goes where the field expects it: Via, Route and Record-Route above the
// lines of that header that are there (the last one added is uppermost), all else behind the last
// header. With any edit Content-Length is made right, and added where it is missing; edits to it
// are ignored. A value that is written never brings a line end with it: CR and LF become spaces,
// which also unfolds. The message must outlive the editor; edits name headers by their index in
// headers().
class Editor {
 public:
  explicit Editor(const Message& message) : message_(message) {}

  void set_request_uri(std::string_view uri);
  void set_status(int status, std::string_view reason);  // of a response
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

  bool empty() const;  // no edit was made
  std::string finish() const;

 private:
  struct Edit {
    std::size_t index;
    std::optional<std::string> value;  // nothing: the line is removed
  };
  struct Added {
    std::string line;
    std::size_t before;  // the index of the header that it goes above; count of headers: the end
  };
  void add_line(std::string_view header_text, std::string_view value, std::size_t before);
  std::vector<const Edit*> edits_by_index() const;
  std::vector<const Added*> added_by_place() const;
  void append_start_line(std::string& out) const;

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
