// H.323's messages, read whole: RAS (h225::RasMessage), what call signalling carries
// (h225::H323UserInformation) and H.245 (h245::MultimediaSystemControlMessage), with everything
// that lies in octet strings inside: fastStart, tunnelled H.245, tokens, the contents of generic
// data. codec/per/message.h says how they are read, changed and written.
#pragma once

#include "codec/h323/generic_contents.h"
#include "codec/h323/h225.schema.h"
#include "codec/h323/h235.schema.h"
#include "codec/h323/h245.schema.h"
#include "codec/h323/h460.schema.h"
#include "codec/per/message.h"

namespace sallyport::codec::h323 {

template <class T>
Result<void> decode(per::Message& message, Bytes octets, const per::Limits& limits = {}) {
  auto read = message.decode<T>(octets, limits);
  if (read) open_generic_contents(message, limits);
  return read;
}

}  // namespace sallyport::codec::h323
