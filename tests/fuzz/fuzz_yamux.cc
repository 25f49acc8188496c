// A yamux end that is sent anything at all: it never crashes, holds no more than its limits allow,
// and after an error it says go-away and listens no more. The first octet chooses the role and how
// the rest is cut.
#include <algorithm>

#include "mux/yamux.h"
#include "require.h"

namespace sallyport::mux {
namespace {

class End final : public Yamux::Observer {
 public:
  explicit End(Yamux::Role role) : yamux(role, {.max_streams = 8, .backlog = 4}, *this) {}
  void on_stream(ChannelId id) override { SALLYPORT_REQUIRE(yamux.is_open(id)); }
  void on_data(ChannelId id, Bytes octets) override {
    SALLYPORT_REQUIRE(yamux.is_open(id) && !octets.empty());
    // What a stream's user does, by what it is sent.
    if (octets[0] == 'r') return yamux.reset(id);
    if (octets[0] == 'f') yamux.fin(id);
    if (octets[0] == 'o') yamux.open();
    if (octets[0] != 'h') yamux.consumed(id, octets.size());
    Buffer out;
    yamux.write(id, octets, out, 4096);
    SALLYPORT_REQUIRE(out.size() <= 4096);
  }
  void on_fin(ChannelId id) override {
    if (id.value % 3 == 0) yamux.fin(id);
  }
  void on_reset(ChannelId id) override { SALLYPORT_REQUIRE(!yamux.is_open(id)); }
  void on_writable(ChannelId id) override { SALLYPORT_REQUIRE(yamux.is_open(id)); }
  void on_pong(std::uint32_t /*value*/) override {}
  void on_go_away(Yamux::GoAway /*code*/) override {}
  Yamux yamux;
};

}  // namespace
}  // namespace sallyport::mux

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using mux::Yamux;
  if (size == 0) return 0;
  mux::End end{data[0] % 2 == 0 ? Yamux::Role::Client : Yamux::Role::Server};
  end.yamux.open();
  end.yamux.open();
  const std::size_t chunk = 1 + data[0] / 2U;
  Bytes input{data + 1, size - 1};
  bool failed = false;
  while (!input.empty()) {
    const std::size_t n = std::min(chunk, input.size());
    const bool ok = end.yamux.on_received(input.first(n)).has_value();
    SALLYPORT_REQUIRE(!failed || ok);  // what comes after an error is not even looked at
    failed = failed || !ok;
    input = input.subspan(n);
    SALLYPORT_REQUIRE(end.yamux.streams() <= 8 + size);
  }
  Buffer out;
  end.yamux.take_frames(out, 1U << 20U);
  SALLYPORT_REQUIRE(!end.yamux.has_frames());
  SALLYPORT_REQUIRE(!failed || !end.yamux.open());
  return 0;
}
