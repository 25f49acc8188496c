// How each kind of channel is named in H.245: as a capability, as the data type of a logical
// channel, and read back. Stateless.
#pragma once

#include <optional>
#include <set>

#include "codec/h323/messages.h"
#include "h323_endpoint/settings.h"

namespace sallyport::h323_endpoint {

void write_data_type(codec::per::Edit<codec::h245::DataType> out, Kind kind);
std::optional<Kind> kind_of(codec::per::View<codec::h245::DataType> type);

// The whole set; empty, as H.323 8.4.6 has it, if there are no kinds.
void write_capabilities(codec::per::Edit<codec::h245::TerminalCapabilitySet> out,
                        const std::vector<Kind>& kinds, std::uint8_t sequence_number);
// What the other side can receive.
std::set<Kind> kinds_of(codec::per::View<codec::h245::TerminalCapabilitySet> capabilities);

}  // namespace sallyport::h323_endpoint
