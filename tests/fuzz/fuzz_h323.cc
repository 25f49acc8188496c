// Any octets as RAS, call signalling or H.245: what is read leaves as it came, is the same values
// when it is written anew, and takes any address in every place of one, in place or not.
#include "base/bytes.h"
#include "codec/h323/addresses.h"
#include "codec/h323/messages.h"
#include "require.h"

namespace sallyport::codec::h323 {
namespace {

// The same values, whatever bits they had.
bool same(per::Node a, per::Node b) {
  if (&a.type() != &b.type() || a.member() != b.member() || a.integer() != b.integer() ||
      a.bit_count() != b.bit_count())
    return false;
  per::Node left = a.first_child();
  per::Node right = b.first_child();
  // Octets that hold an encoding may be others: it need not be canonical.
  if (!left && as_text(a.octets()) != as_text(b.octets())) return false;
  for (; left && right; left = left.next(), right = right.next())
    if (!same(left, right)) return false;
  return left.is_absent() && right.is_absent();
}

template <class T>
void try_addresses(Bytes octets, const TransportAddress& ours) {
  per::Message message;
  if (!decode<T>(message, octets)) return;
  std::size_t found = 0;
  for_each_address(message, [&](per::Node node) {
    set_address(message.edit(node), ours);
    SALLYPORT_REQUIRE(address(node) == ours);
    ++found;
  });
  Buffer out;
  if (!message.encode(out)) return;  // what holds it has a bound that it does not fit into any more
  if (!message.is_changed()) SALLYPORT_REQUIRE(out.size() == octets.size());
  per::Message again;
  // What holds addresses in octets of their own may look like something else with others in it, but
  // no address may have been left out.
  if (!decode<T>(again, out)) {
    SALLYPORT_REQUIRE(out.size() > per::Limits{}.octets);
    return;
  }
  for_each_address(again, [&](per::Node node) {
    SALLYPORT_REQUIRE(address(node) == ours);
    --found;
  });
  SALLYPORT_REQUIRE(found == 0);
}

template <class T>
void try_message(Bytes octets) {
  per::Message message;
  if (!decode<T>(message, octets)) {
    SALLYPORT_REQUIRE(message.root().is_absent());
    return;
  }
  SALLYPORT_REQUIRE(message.octets_read() <= octets.size());
  Buffer out;
  SALLYPORT_REQUIRE(message.encode(out) && as_text(out) == as_text(octets));
  Buffer anew;
  SALLYPORT_REQUIRE(message.encode_anew(anew));
  per::Message again;
  SALLYPORT_REQUIRE(decode<T>(again, anew));
  SALLYPORT_REQUIRE(same(message.root(), again.root()));
  Buffer canonical;
  SALLYPORT_REQUIRE(again.encode_anew(canonical) && canonical == anew);
  for (const per::Node node : message.walk()) {
    (void)node.text();
    (void)node.name();
  }
  per::Message copy;
  copy.make(*T::kSchema).copy(message.root());
  Buffer copied;
  SALLYPORT_REQUIRE(copy.encode(copied) && copied == anew);
  try_addresses<T>(octets, {IpAddress::v4({203, 0, 113, 7}), 30000});
  try_addresses<T>(
      octets, {IpAddress::v6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}), 30000});
}

// The first octet says as what the others are read.
void try_octets(Bytes octets) {
  if (octets.empty()) return;
  switch (octets[0] % 3) {
    case 0:
      return try_message<h225::RasMessage>(octets.subspan(1));
    case 1:
      return try_message<h225::H323UserInformation>(octets.subspan(1));
    default:
      return try_message<h245::MultimediaSystemControlMessage>(octets.subspan(1));
  }
}

}  // namespace
}  // namespace sallyport::codec::h323

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sallyport::codec::h323::try_octets({data, size});
  return 0;
}
