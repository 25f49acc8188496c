// Which call agent an endpoint was told to notify (RFC 3435 2.1.4), by the pattern of endpoints
// that was told so: the latest that fits counts. A gateway's; bounded, the oldest is forgotten.
#pragma once

#include <algorithm>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "codec/mgcp/names.h"
#include "codec/text.h"

namespace sallyport::adapter::mgcp {

class NotifiedEntities {
 public:
  static constexpr std::size_t kMost = 256;

  void set(std::string_view pattern, std::string_view entity) {
    forget(pattern);
    entries_.push_front({std::string{pattern}, std::string{entity}});
    if (entries_.size() > kMost) entries_.pop_back();
  }
  // Of endpoints that lie within the pattern nothing is remembered any more.
  void forget(std::string_view pattern) {
    entries_.remove_if(
        [&](const Entry& entry) { return codec::mgcp::matches(pattern, entry.pattern); });
  }
  std::optional<std::string> find(std::string_view local) const {
    for (const Entry& entry : entries_)
      if (codec::mgcp::matches(entry.pattern, local) || codec::mgcp::matches(local, entry.pattern))
        return entry.entity;
    return std::nullopt;
  }
  // The latest of all; empty: none.
  std::string latest() const { return entries_.empty() ? std::string{} : entries_.front().entity; }

 private:
  struct Entry {
    std::string pattern, entity;
  };
  std::list<Entry> entries_;
};

}  // namespace sallyport::adapter::mgcp
