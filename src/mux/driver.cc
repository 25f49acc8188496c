#include "mux/driver.h"

#include <utility>

namespace sallyport::mux {
namespace {

class StreamLink final : public Link {
 public:
  explicit StreamLink(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) {}
  void send(Bytes octets) override { stream_->send(octets); }
  std::size_t queued() const override { return stream_->queued(); }
  void close() override { stream_->half_close(); }
  bool export_key(std::string_view label, Bytes context, MutableBytes out) const override {
    return stream_->export_key(label, context, out);
  }

 private:
  std::unique_ptr<net::Stream> stream_;
};

}  // namespace

Result<ExporterKey> resume_exporter(const net::Stream& stream) {
  ExporterKey key{};
  if (!stream.export_key(kResumeExporterLabel, {}, key))
    return fail(Errc::System, "no key can be exported from this connection");
  return key;
}

Driver::Driver(net::Network& network, Multiplex::Role role, const Multiplex::Settings& settings,
               Random& random, std::function<void()> after)
    : network_(network),
      after_(std::move(after)),
      timer_(network.make_timer()),
      multiplex_(role, settings, random, [this] {
        network_.post([this, alive = std::weak_ptr{alive_}] {
          if (!alive.lock()) return;
          multiplex_.flush(network_.now());
          settle();
        });
      }) {}

Driver::~Driver() = default;

// After every event the timer stands where the multiplex wants it.
void Driver::settle() {
  if (const auto due = multiplex_.next_deadline()) {
    timer_->start(*due, [this] {
      multiplex_.on_time(network_.now());
      settle();
    });
  } else {
    timer_->stop();
  }
  after_();
}

std::unique_ptr<Link> Driver::make_link(std::unique_ptr<net::Stream> stream, std::uint64_t number) {
  net::Stream::Handler handler;
  handler.on_received = [this, number](Bytes octets) {
    multiplex_.on_received(number, octets, network_.now());
    settle();
  };
  handler.on_half_closed = [this, number] {
    const Error why{.code = Errc::Closed, .what = "the far side closed the connection"};
    multiplex_.on_broken(number, why, network_.now());
    settle();
  };
  handler.on_closed = [this, number](const Error& why) {
    multiplex_.on_broken(number, why, network_.now());
    settle();
  };
  handler.on_drained = [this, number] {
    multiplex_.on_drained(number, network_.now());
    settle();
  };
  stream->set_handler(std::move(handler));
  return std::make_unique<StreamLink>(std::move(stream));
}

Result<void> Driver::attach(std::unique_ptr<net::Stream> stream, const Hello& hello,
                            const HelloAccept& accept, Bytes rest) {
  auto link = make_link(std::move(stream), hello.connection);
  const auto result = multiplex_.attach(std::move(link), hello, accept, network_.now());
  if (result && !rest.empty()) multiplex_.on_received(hello.connection, rest, network_.now());
  settle();
  return result;
}

Result<void> Driver::accept(std::unique_ptr<net::Stream> stream, const Hello& hello, Bytes rest) {
  auto link = make_link(std::move(stream), hello.connection);
  const auto result =
      multiplex_.accept(std::move(link), hello, network_.wall_now(), network_.now());
  if (result && !rest.empty()) multiplex_.on_received(hello.connection, rest, network_.now());
  settle();
  return result;
}

void Driver::end(CloseCode code, const Error& why) {
  multiplex_.end(code, why, network_.now());
  settle();
}

void Driver::probe() {
  multiplex_.probe(network_.now());
  settle();
}

}  // namespace sallyport::mux
