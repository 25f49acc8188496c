// How a RAS message of ours begins: with what nearly every one has. Used by whoever makes one.
#pragma once

#include <cstdint>

#include "adapter/h323/protocol.h"
#include "adapter/h323/tree.h"
#include "codec/h323/h225.schema.h"
#include "codec/per/message.h"

namespace sallyport::adapter::h323 {

// A new message of that alternative, with its number and our version of H.225.0.
inline codec::per::NodeEdit begin_ras(codec::per::Message& message, std::uint16_t kind,
                                      std::uint16_t sequence) {
  codec::per::NodeEdit body = message.make<codec::h225::RasMessage>().member(kind);
  const codec::per::Type& type = body.node().type();
  if (const auto number = member_named(type, "requestSeqNum")) body.member(*number).set(sequence);
  if (const auto version = member_named(type, "protocolIdentifier"))
    body.member(*version).set_octets(kH225Version);
  return body;
}

template <class T, std::uint16_t Index>
codec::per::Edit<T> begin_ras(codec::per::Message& message,
                              codec::per::Field<codec::h225::RasMessage, T, Index> /*kind*/,
                              std::uint16_t sequence) {
  return codec::per::Edit<T>{begin_ras(message, Index, sequence)};
}

}  // namespace sallyport::adapter::h323
