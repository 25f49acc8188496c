#include "adapter/h323/control_messages.h"

namespace sallyport::adapter::h323 {
namespace {

namespace per = codec::per;
namespace h245 = codec::h245;
using Root = h245::MultimediaSystemControlMessage;

Buffer encoded(const per::Message& message) {
  Buffer out;
  (void)message.encode(out);  // of values that their types allow
  return out;
}

}  // namespace

Buffer open_reject(std::uint16_t channel, LogicalChannels::Refusal why) {
  using T = h245::OpenLogicalChannelReject;
  per::Message message;
  auto reject =
      message.make<Root>()[Root::kResponse][h245::ResponseMessage::kOpenLogicalChannelReject];
  reject[T::kForwardLogicalChannelNumber].set(channel);
  auto cause = reject[T::kCause];
  switch (why) {
    case LogicalChannels::Refusal::DataTypeNotAvailable:
      cause[T::Cause::kDataTypeNotAvailable];
      break;
    case LogicalChannels::Refusal::MulticastNotAllowed:
      cause[T::Cause::kMulticastChannelNotAllowed];
      break;
    case LogicalChannels::Refusal::InsufficientBandwidth:
      cause[T::Cause::kInsufficientBandwidth];
      break;
    case LogicalChannels::Refusal::SecurityDenied:
      cause[T::Cause::kSecurityDenied];
      break;
    case LogicalChannels::Refusal::Unspecified:
      cause[T::Cause::kUnspecified];
      break;
  }
  return encoded(message);
}

Buffer close_channel(std::uint16_t channel) {
  using T = h245::CloseLogicalChannel;
  per::Message message;
  auto close = message.make<Root>()[Root::kRequest][h245::RequestMessage::kCloseLogicalChannel];
  close[T::kForwardLogicalChannelNumber].set(channel);
  close[T::kSource][T::Source::kLcse];
  return encoded(message);
}

Buffer function_not_supported() {
  using T = h245::FunctionNotSupported;
  per::Message message;
  auto indication =
      message.make<Root>()[Root::kIndication][h245::IndicationMessage::kFunctionNotSupported];
  indication[T::kCause][T::Cause::kSyntaxError];
  return encoded(message);
}

}  // namespace sallyport::adapter::h323
