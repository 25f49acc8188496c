// Records, read by themselves and by both ends of an attached session: nothing crashes, what
// parses is the same after encoding and parsing again, and a session ends at most once.
#include <algorithm>

#include "mux/multiplex.h"
#include "mux/record.h"
#include "mux/test_pair.h"
#include "require.h"

namespace sallyport::mux {
namespace {

template <typename Value, typename Parse>
void same_again(const Value& value, Parse parse) {
  Buffer record;
  encode(value, record);
  const auto again = parse(Bytes{record}.subspan(kRecordHeaderSize));
  SALLYPORT_REQUIRE(again.has_value() && *again == value);
}

void check(const Record& record) {
  switch (record.type) {
    case RecordType::Hello:
      if (const auto hello = parse_hello(record.body)) same_again(*hello, parse_hello);
      return;
    case RecordType::HelloAccept:
      if (const auto accept = parse_hello_accept(record.body))
        same_again(*accept, parse_hello_accept);
      return;
    case RecordType::Refuse:
      if (const auto refusal = parse_refusal(record.body)) same_again(*refusal, parse_refusal);
      return;
    case RecordType::Close:
      if (const auto close = parse_close(record.body)) same_again(*close, parse_close);
      return;
    default:
      SALLYPORT_REQUIRE(record.body.size() <= kMaxRecordBody);
  }
}

void read_records(Bytes input, std::size_t chunk) {
  RecordReader reader;
  while (!input.empty()) {
    const std::size_t n = std::min(chunk, input.size());
    reader.feed(input.first(n));
    while (true) {
      const auto record = reader.next();
      if (!record) return;
      if (!*record) break;
      check(**record);
    }
    input = input.subspan(n);
  }
}

void run_session(Bytes input, bool to_dialling) {
  TestObserver agent;
  TestObserver server;
  TestPair pair;
  pair.dialling.set_observer(agent);
  pair.accepting.set_observer(server);
  pair.connect();
  pair.run();
  Multiplex& to = to_dialling ? pair.dialling : pair.accepting;
  to.on_received(to.connection_number(), input, pair.now);
  pair.run();
  SALLYPORT_REQUIRE(agent.gone.size() <= 1 && server.gone.size() <= 1);
}

}  // namespace
}  // namespace sallyport::mux

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  if (size == 0) return 0;
  const Bytes input{data + 1, size - 1};
  mux::read_records(input, 1 + data[0] / 2U);
  mux::run_session(input, data[0] % 2 == 0);
  return 0;
}
