// Topology hiding, all of its rules in one place: which addresses the other side must not see, what
// stands in their place, and how a message becomes the one that goes on (DESIGN sections 2 and 5).
// Every header that is carried through, known or not, passes through here, so nothing can be
// forgotten: a header that we do not know is carried unless it would leak, and then without the
// leak. Brain's thread; no state but the addresses that agents' NATs show.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapter/sip/config.h"
#include "adapter/sip/dialog.h"
#include "adapter/sip/hop.h"
#include "base/transport_address.h"

namespace sallyport::adapter::sip {

// A message's way through us.
struct Crossing {
  Place from;
  Place to;
  TransportAddress shown;  // our own address toward `to`
};

// What a forwarded request says otherwise than the one that came. Values are whole header values.
struct RequestEdits {
  std::string uri;
  std::vector<std::string> routes;
  std::string from;
  std::string to;
  std::string call_id;
  std::string contact;  // empty: the request shows none, or none is needed
  std::optional<std::string> body;
  std::string authorization;  // our own answer to a challenge, if we have one
  bool proxy_authorization = false;
  std::uint32_t cseq_shift = 0;
  std::uint32_t max_breadth = 0;  // 0: as it came
  // Headers that were translated (Refer-To, Replaces ...), by their index.
  std::vector<std::pair<std::size_t, std::string>> values;
};

struct ResponseEdits {
  std::string contact;  // in the place of every Contact; empty: they are scrubbed as they are
  std::optional<std::string> body;
  bool makes_dialog = false;  // Record-Route of the request is repeated (RFC 3261 12.1.1)
  std::uint32_t cseq_shift = 0;
};

class Topology {
 public:
  explicit Topology(const Config& config) : config_(config) {}

  // The public addresses under which an agent's network is seen: known from where its multiplex
  // connection comes. They replace those that were known before.
  void hide(Place place, std::vector<IpAddress> addresses) { nat_[place] = std::move(addresses); }
  void forget(Place place) { nat_.erase(place); }

  // May not be shown at `to` when it comes from `from`.
  bool is_hidden(const IpAddress& ip, Place from, Place to) const;
  bool leaks(std::string_view text, Place from, Place to) const;
  // The text with every hidden address replaced by the domain, or by our own address there.
  std::string scrub(std::string_view text, const Crossing& crossing) const;
  // The same for SDP, in which `own` addresses are ours and stay.
  std::string scrub_sdp(std::string_view sdp, const Crossing& crossing,
                        const std::vector<IpAddress>& own) const;

  // A whole message that is edited elsewhere: every header, and its body, without what must not be
  // shown. Edits that are made after this one count.
  void scrub(const wire::Message& message, wire::Editor& editor, const Crossing& crossing) const;

  std::string forward(const wire::Message& request, const RequestEdits& edits,
                      const Crossing& crossing, bool& identity_removed) const;
  // The response to `request` (the one that came to us): Via, From, Call-ID and CSeq are the
  // request's own, To as well but for the tag.
  std::string forward(const wire::Message& response, const wire::Message& request,
                      const ResponseEdits& edits, const Crossing& crossing) const;

 private:
  const Config& config_;
  std::map<Place, std::vector<IpAddress>> nat_;
};

// From and To: the value without its tag, and with one.
std::string without_tag(std::string_view value);
std::string with_tag(std::string_view value, std::string_view tag);
std::string_view tag_of(std::string_view value);

// Is the body encoded, so that nobody can see what is in it?
bool is_encoded(const wire::Message& message);

}  // namespace sallyport::adapter::sip
