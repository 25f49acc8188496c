// The H.245 messages that are ours: refusals of what one side asks and the other is not told.
#pragma once

#include <cstdint>

#include "adapter/h323/logical_channels.h"

namespace sallyport::adapter::h323 {

Buffer open_reject(std::uint16_t channel, LogicalChannels::Refusal why);
Buffer close_channel(std::uint16_t channel);
// Of what cannot be read (H.245 C.5.? FunctionNotSupported, syntaxError).
Buffer function_not_supported();

}  // namespace sallyport::adapter::h323
