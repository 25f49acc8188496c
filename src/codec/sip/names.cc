// The fixed words of SIP: methods, header names with their compact forms, reason phrases.
#include <array>

#include "codec/sip/message.h"
#include "codec/text.h"

namespace sallyport::codec::sip {
namespace {

constexpr std::array<std::string_view, 14> kMethods{
    "INVITE", "ACK",   "CANCEL",    "BYE",    "REGISTER", "OPTIONS", "PRACK",
    "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH",  "MESSAGE", "INFO"};

struct HeaderEntry {
  HeaderName name;
  std::string_view text;
};

// In the order of HeaderName, from its second enumerator on.
constexpr std::array kHeaders{
    HeaderEntry{HeaderName::Accept, "Accept"},
    HeaderEntry{HeaderName::AcceptContact, "Accept-Contact"},
    HeaderEntry{HeaderName::AlertInfo, "Alert-Info"},
    HeaderEntry{HeaderName::Allow, "Allow"},
    HeaderEntry{HeaderName::AllowEvents, "Allow-Events"},
    HeaderEntry{HeaderName::AuthenticationInfo, "Authentication-Info"},
    HeaderEntry{HeaderName::Authorization, "Authorization"},
    HeaderEntry{HeaderName::CallId, "Call-ID"},
    HeaderEntry{HeaderName::CallInfo, "Call-Info"},
    HeaderEntry{HeaderName::Contact, "Contact"},
    HeaderEntry{HeaderName::ContentDisposition, "Content-Disposition"},
    HeaderEntry{HeaderName::ContentEncoding, "Content-Encoding"},
    HeaderEntry{HeaderName::ContentLanguage, "Content-Language"},
    HeaderEntry{HeaderName::ContentLength, "Content-Length"},
    HeaderEntry{HeaderName::ContentType, "Content-Type"},
    HeaderEntry{HeaderName::CSeq, "CSeq"},
    HeaderEntry{HeaderName::Date, "Date"},
    HeaderEntry{HeaderName::Diversion, "Diversion"},
    HeaderEntry{HeaderName::ErrorInfo, "Error-Info"},
    HeaderEntry{HeaderName::Event, "Event"},
    HeaderEntry{HeaderName::Expires, "Expires"},
    HeaderEntry{HeaderName::FlowTimer, "Flow-Timer"},
    HeaderEntry{HeaderName::From, "From"},
    HeaderEntry{HeaderName::Geolocation, "Geolocation"},
    HeaderEntry{HeaderName::HistoryInfo, "History-Info"},
    HeaderEntry{HeaderName::Identity, "Identity"},
    HeaderEntry{HeaderName::IdentityInfo, "Identity-Info"},
    HeaderEntry{HeaderName::InReplyTo, "In-Reply-To"},
    HeaderEntry{HeaderName::Join, "Join"},
    HeaderEntry{HeaderName::MaxForwards, "Max-Forwards"},
    HeaderEntry{HeaderName::MimeVersion, "MIME-Version"},
    HeaderEntry{HeaderName::MinExpires, "Min-Expires"},
    HeaderEntry{HeaderName::MinSe, "Min-SE"},
    HeaderEntry{HeaderName::Organization, "Organization"},
    HeaderEntry{HeaderName::PAccessNetworkInfo, "P-Access-Network-Info"},
    HeaderEntry{HeaderName::PAssertedIdentity, "P-Asserted-Identity"},
    HeaderEntry{HeaderName::PAssociatedUri, "P-Associated-URI"},
    HeaderEntry{HeaderName::PCalledPartyId, "P-Called-Party-ID"},
    HeaderEntry{HeaderName::PChargingVector, "P-Charging-Vector"},
    HeaderEntry{HeaderName::PPreferredIdentity, "P-Preferred-Identity"},
    HeaderEntry{HeaderName::PVisitedNetworkId, "P-Visited-Network-ID"},
    HeaderEntry{HeaderName::Path, "Path"},
    HeaderEntry{HeaderName::Privacy, "Privacy"},
    HeaderEntry{HeaderName::ProxyAuthenticate, "Proxy-Authenticate"},
    HeaderEntry{HeaderName::ProxyAuthorization, "Proxy-Authorization"},
    HeaderEntry{HeaderName::ProxyRequire, "Proxy-Require"},
    HeaderEntry{HeaderName::RAck, "RAck"},
    HeaderEntry{HeaderName::Reason, "Reason"},
    HeaderEntry{HeaderName::RecordRoute, "Record-Route"},
    HeaderEntry{HeaderName::ReferSub, "Refer-Sub"},
    HeaderEntry{HeaderName::ReferTo, "Refer-To"},
    HeaderEntry{HeaderName::ReferredBy, "Referred-By"},
    HeaderEntry{HeaderName::RejectContact, "Reject-Contact"},
    HeaderEntry{HeaderName::RemotePartyId, "Remote-Party-ID"},
    HeaderEntry{HeaderName::Replaces, "Replaces"},
    HeaderEntry{HeaderName::ReplyTo, "Reply-To"},
    HeaderEntry{HeaderName::RequestDisposition, "Request-Disposition"},
    HeaderEntry{HeaderName::Require, "Require"},
    HeaderEntry{HeaderName::RetryAfter, "Retry-After"},
    HeaderEntry{HeaderName::Route, "Route"},
    HeaderEntry{HeaderName::RSeq, "RSeq"},
    HeaderEntry{HeaderName::SecurityClient, "Security-Client"},
    HeaderEntry{HeaderName::SecurityServer, "Security-Server"},
    HeaderEntry{HeaderName::SecurityVerify, "Security-Verify"},
    HeaderEntry{HeaderName::Server, "Server"},
    HeaderEntry{HeaderName::ServiceRoute, "Service-Route"},
    HeaderEntry{HeaderName::SessionExpires, "Session-Expires"},
    HeaderEntry{HeaderName::SipEtag, "SIP-ETag"},
    HeaderEntry{HeaderName::SipIfMatch, "SIP-If-Match"},
    HeaderEntry{HeaderName::Subject, "Subject"},
    HeaderEntry{HeaderName::SubscriptionState, "Subscription-State"},
    HeaderEntry{HeaderName::Supported, "Supported"},
    HeaderEntry{HeaderName::TargetDialog, "Target-Dialog"},
    HeaderEntry{HeaderName::Timestamp, "Timestamp"},
    HeaderEntry{HeaderName::To, "To"},
    HeaderEntry{HeaderName::Unsupported, "Unsupported"},
    HeaderEntry{HeaderName::UserAgent, "User-Agent"},
    HeaderEntry{HeaderName::Via, "Via"},
    HeaderEntry{HeaderName::Warning, "Warning"},
    HeaderEntry{HeaderName::WwwAuthenticate, "WWW-Authenticate"},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kHeaders.size(); ++i)
    if (static_cast<std::size_t>(kHeaders[i].name) != i + 1) return false;
  return true;
}
static_assert(in_order());

// Names of one length lie side by side: a look-up compares the few that have the right length.
constexpr std::size_t kLongest = 24;
struct ByLength {
  std::array<std::uint8_t, kHeaders.size()> order{};  // indices into kHeaders
  std::array<std::uint8_t, kLongest + 2> first{};     // where each length begins in order
};
constexpr ByLength by_length() {
  ByLength out;
  std::size_t n = 0;
  for (std::size_t length = 0; length <= kLongest; ++length) {
    out.first[length] = static_cast<std::uint8_t>(n);
    for (std::size_t i = 0; i < kHeaders.size(); ++i)
      if (kHeaders[i].text.size() == length) out.order[n++] = static_cast<std::uint8_t>(i);
  }
  out.first[kLongest + 1] = static_cast<std::uint8_t>(n);
  return out;
}
constexpr ByLength kByLength = by_length();
static_assert(kByLength.first[kLongest + 1] == kHeaders.size());

// RFC 3261 7.3.3 and the registry's later ones.
HeaderName compact(char letter) {
  switch (lower(letter)) {
    case 'a':
      return HeaderName::AcceptContact;
    case 'b':
      return HeaderName::ReferredBy;
    case 'c':
      return HeaderName::ContentType;
    case 'd':
      return HeaderName::RequestDisposition;
    case 'e':
      return HeaderName::ContentEncoding;
    case 'f':
      return HeaderName::From;
    case 'i':
      return HeaderName::CallId;
    case 'j':
      return HeaderName::RejectContact;
    case 'k':
      return HeaderName::Supported;
    case 'l':
      return HeaderName::ContentLength;
    case 'm':
      return HeaderName::Contact;
    case 'n':
      return HeaderName::IdentityInfo;
    case 'o':
      return HeaderName::Event;
    case 'r':
      return HeaderName::ReferTo;
    case 's':
      return HeaderName::Subject;
    case 't':
      return HeaderName::To;
    case 'u':
      return HeaderName::AllowEvents;
    case 'v':
      return HeaderName::Via;
    case 'x':
      return HeaderName::SessionExpires;
    case 'y':
      return HeaderName::Identity;
    default:
      return HeaderName::Other;
  }
}

}  // namespace

Method method_of(std::string_view text) {
  for (std::size_t i = 0; i < kMethods.size(); ++i)
    if (kMethods[i] == text) return static_cast<Method>(i);
  return Method::Other;
}

std::string_view name(Method method) {
  const auto i = static_cast<std::size_t>(method);
  return i < kMethods.size() ? kMethods[i] : std::string_view{};
}

HeaderName header_name_of(std::string_view text) {
  if (text.size() == 1) return compact(text[0]);
  if (text.size() > kLongest) return HeaderName::Other;
  const std::size_t end = kByLength.first[text.size() + 1];
  for (std::size_t i = kByLength.first[text.size()]; i < end; ++i) {
    const HeaderEntry& entry = kHeaders[kByLength.order[i]];
    if (equals_without_case(entry.text, text)) return entry.name;
  }
  return HeaderName::Other;
}

std::string_view name(HeaderName header) {
  const auto i = static_cast<std::size_t>(header);
  return i == 0 || i > kHeaders.size() ? std::string_view{} : kHeaders[i - 1].text;
}

std::string_view default_reason(int status) {
  switch (status) {
    case 100:
      return "Trying";
    case 180:
      return "Ringing";
    case 181:
      return "Call Is Being Forwarded";
    case 182:
      return "Queued";
    case 183:
      return "Session Progress";
    case 199:
      return "Early Dialog Terminated";
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Notification";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Moved Temporarily";
    case 305:
      return "Use Proxy";
    case 380:
      return "Alternative Service";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 410:
      return "Gone";
    case 412:
      return "Conditional Request Failed";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "Request-URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Unsupported URI Scheme";
    case 417:
      return "Unknown Resource-Priority";
    case 420:
      return "Bad Extension";
    case 421:
      return "Extension Required";
    case 422:
      return "Session Interval Too Small";
    case 423:
      return "Interval Too Brief";
    case 424:
      return "Bad Location Information";
    case 425:
      return "Bad Alert Message";
    case 428:
      return "Use Identity Header";
    case 429:
      return "Provide Referrer Identity";
    case 430:
      return "Flow Failed";
    case 433:
      return "Anonymity Disallowed";
    case 436:
      return "Bad Identity Info";
    case 437:
      return "Unsupported Credential";
    case 438:
      return "Invalid Identity Header";
    case 439:
      return "First Hop Lacks Outbound Support";
    case 440:
      return "Max-Breadth Exceeded";
    case 469:
      return "Bad Info Package";
    case 470:
      return "Consent Needed";
    case 480:
      return "Temporarily Unavailable";
    case 481:
      return "Call/Transaction Does Not Exist";
    case 482:
      return "Loop Detected";
    case 483:
      return "Too Many Hops";
    case 484:
      return "Address Incomplete";
    case 485:
      return "Ambiguous";
    case 486:
      return "Busy Here";
    case 487:
      return "Request Terminated";
    case 488:
      return "Not Acceptable Here";
    case 489:
      return "Bad Event";
    case 491:
      return "Request Pending";
    case 493:
      return "Undecipherable";
    case 494:
      return "Security Agreement Required";
    case 500:
      return "Server Internal Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Server Time-out";
    case 505:
      return "Version Not Supported";
    case 513:
      return "Message Too Large";
    case 555:
      return "Push Notification Service Not Supported";
    case 580:
      return "Precondition Failure";
    case 600:
      return "Busy Everywhere";
    case 603:
      return "Decline";
    case 604:
      return "Does Not Exist Anywhere";
    case 606:
      return "Not Acceptable";
    case 607:
      return "Unwanted";
    case 608:
      return "Rejected";
    default:
      break;
  }
  // RFC 3261 8.1.3.2: an unknown code is treated as the x00 of its class.
  return status % 100 == 0 ? std::string_view{"Unknown"} : default_reason(status / 100 * 100);
}

}  // namespace sallyport::codec::sip
