// What one H.323 message costs the brain: a Setup with fast connect, as an endpoint of h323plus
// sends it (tests/wire/h323, 02-direct-faststart-tunnel), read, rewritten and written out.
#include <benchmark/benchmark.h>

#include "base/hex.h"
#include "codec/h323/addresses.h"
#include "codec/h323/messages.h"

namespace sallyport::codec::h323 {
namespace {

Buffer setup() {
  return *from_hex(
      "20a8060008914a00070140040061006c00690063006522c00900003d1148333233506c75732043"
      "616c6c47656e000019322e332e30202848333233706c75732076312e32382e30290000000a0900"
      "0206b8002ade320abfe4f111952ac25330f890f4005d1d8007000a090001de6c110098d4320abf"
      "e4f111952ac25330f890f465041d400000060401004c201380111c0001000a0900011388000a09"
      "00011389130000640c2013800b0d0001000a0900011389001d400000060401004c601380111c00"
      "01000a0900011388000a0900011389130000650c6013800b0d0001000a09000113890001000100"
      "0100010002800180");
}

const TransportAddress kOurs{IpAddress::v4({203, 0, 113, 1}), 30000};

void read(benchmark::State& state) {
  const Buffer octets = setup();
  per::Message message;
  for ([[maybe_unused]] auto _ : state) {
    auto done = decode<h225::H323UserInformation>(message, octets);
    benchmark::DoNotOptimize(done);
  }
  std::size_t nodes = 0;
  for ([[maybe_unused]] const per::Node node : message.walk()) ++nodes;
  state.counters["octets"] = static_cast<double>(octets.size());
  state.counters["values"] = static_cast<double>(nodes);
}
BENCHMARK(read);

// Every address replaced by one of the same family.
void rewrite_in_place(benchmark::State& state) {
  const Buffer octets = setup();
  per::Message message;
  Buffer out;
  for ([[maybe_unused]] auto _ : state) {
    out.clear();
    if (!decode<h225::H323UserInformation>(message, octets)) state.SkipWithError("not read");
    for_each_address(message,
                     [&](const per::Node& node) { set_address(message.edit(node), kOurs); });
    if (!message.encode(out)) state.SkipWithError("not written");
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(rewrite_in_place);

// The same, with a component added, one removed, and a text changed.
void rewrite_anew(benchmark::State& state) {
  using Body = h225::H323UUPDU::H323MessageBody;
  using Setup = h225::SetupUUIE;
  const Buffer octets = setup();
  per::Message message;
  Buffer out;
  for ([[maybe_unused]] auto _ : state) {
    out.clear();
    if (!decode<h225::H323UserInformation>(message, octets)) state.SkipWithError("not read");
    for_each_address(message,
                     [&](const per::Node& node) { set_address(message.edit(node), kOurs); });
    const auto view =
        message.root<h225::H323UserInformation>()[h225::H323UserInformation::kH323UuPdu]
                                                 [h225::H323UUPDU::kH323MessageBody][Body::kSetup];
    auto edit = message.edit(view);
    edit.remove(Setup::kDestCallSignalAddress);
    edit[Setup::kDestinationAddress].append()[h225::AliasAddress::kDialedDigits].set_text(
        "5551234");
    edit[Setup::kSourceInfo][h225::EndpointType::kVendor][h225::VendorIdentifier::kProductId]
        .set_octets(as_bytes("Sallyport"));
    if (!message.encode(out)) state.SkipWithError("not written");
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(rewrite_anew);

// Every value written, nothing copied.
void write_all(benchmark::State& state) {
  const Buffer octets = setup();
  per::Message message;
  Buffer out;
  for ([[maybe_unused]] auto _ : state) {
    out.clear();
    if (!decode<h225::H323UserInformation>(message, octets)) state.SkipWithError("not read");
    if (!message.encode_anew(out)) state.SkipWithError("not written");
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(write_all);

}  // namespace
}  // namespace sallyport::codec::h323

BENCHMARK_MAIN();
