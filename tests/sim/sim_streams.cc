#include "sim_streams.h"

#include <array>
#include <utility>

namespace sallyport::sim {
namespace {

// Both ends of a stream; it lives as long as one of them, or something on its way, does.
struct Connection {
  struct End {
    TransportAddress address;
    std::shared_ptr<net::Stream::Handler> handler;  // none: its owner has gone
    bool finished = false;                          // will send no more
    bool told_finished = false;                     // that the other one will not
  };
  World* world = nullptr;
  RealmId realm = kPublic;
  std::array<End, 2> ends;

  // Handlers may destroy their end.
  void close_if_finished() {
    for (const End& end : ends)
      if (!end.finished || !end.told_finished) return;
    for (const std::size_t end : {std::size_t{0}, std::size_t{1}}) {
      const auto handler = std::exchange(ends[end].handler, nullptr);
      if (handler && handler->on_closed) handler->on_closed({Errc::Closed, "closed by both ends"});
    }
  }
};

void carry(const std::shared_ptr<Connection>& connection, std::size_t from, Buffer octets) {
  World& world = *connection->world;
  world.travel_whole(connection->realm, [connection, from, octets = std::move(octets)] {
    Connection::End& to = connection->ends[1 - from];
    if (connection->realm == kPublic)
      connection->world->note_public(connection->ends[from].address, to.address, octets);
    if (const auto handler = to.handler; handler && handler->on_received)
      handler->on_received(octets);
  });
}

void finish(const std::shared_ptr<Connection>& connection, std::size_t from) {
  if (std::exchange(connection->ends[from].finished, true)) return;
  connection->world->travel_whole(connection->realm, [connection, from] {
    connection->ends[1 - from].told_finished = true;
    if (const auto handler = connection->ends[1 - from].handler; handler && handler->on_half_closed)
      handler->on_half_closed();
    connection->close_if_finished();
  });
}

class SimStream final : public net::Stream {
 public:
  SimStream(std::shared_ptr<Connection> connection, std::size_t end)
      : connection_(std::move(connection)), end_(end) {}
  ~SimStream() override {
    connection_->ends[end_].handler.reset();
    finish(connection_, end_);
  }
  void set_handler(Handler handler) override {
    connection_->ends[end_].handler = std::make_shared<Handler>(std::move(handler));
  }
  void send(Bytes octets) override {
    if (!connection_->ends[end_].finished) carry(connection_, end_, to_buffer(octets));
  }
  std::size_t queued() const override { return 0; }
  void half_close() override { finish(connection_, end_); }
  void pause_reading(bool /*paused*/) override {}
  void start_tls(const net::TlsOptions& /*options*/, bool /*as_server*/) override {}
  void set_dscp(std::uint8_t /*dscp*/) override {}
  TransportAddress local() const override { return connection_->ends[end_].address; }
  TransportAddress remote() const override { return connection_->ends[1 - end_].address; }
  Buffer peer_certificate() const override { return {}; }
  std::string alpn() const override { return {}; }
  bool export_key(std::string_view /*label*/, Bytes /*context*/,
                  MutableBytes /*out*/) const override {
    return false;
  }

 private:
  std::shared_ptr<Connection> connection_;
  std::size_t end_;
};

}  // namespace

bool SimStreams::listen(RealmId realm, const TransportAddress& local, OnAccepted on_accepted) {
  return listeners_.try_emplace({realm, local}, std::move(on_accepted)).second;
}

void SimStreams::unlisten(RealmId realm, const TransportAddress& local) {
  listeners_.erase({realm, local});
}

std::unique_ptr<net::Stream> SimStreams::connect(RealmId realm, const IpAddress& from,
                                                 const TransportAddress& to,
                                                 net::Stream::Handler handler) {
  auto connection = std::make_shared<Connection>();
  connection->world = &world_;
  connection->realm = realm;
  next_port_ =
      next_port_ == 65535 ? std::uint16_t{40000} : static_cast<std::uint16_t>(next_port_ + 1);
  connection->ends[0].address = {from, next_port_};
  connection->ends[0].handler = std::make_shared<net::Stream::Handler>(std::move(handler));
  connection->ends[1].address = to;
  world_.travel_whole(realm, [this, connection] {
    const auto it = listeners_.find({connection->realm, connection->ends[1].address});
    if (it == listeners_.end()) {
      const auto refused = std::exchange(connection->ends[0].handler, nullptr);
      if (refused && refused->on_closed)
        refused->on_closed({Errc::Unreachable, "connection refused"});
      return;
    }
    const OnAccepted on_accepted = it->second;  // it may stop listening
    world_.travel_whole(connection->realm, [connection] {
      if (const auto dialled = connection->ends[0].handler; dialled && dialled->on_connected)
        dialled->on_connected();
    });
    on_accepted(std::make_unique<SimStream>(connection, 1));
  });
  return std::make_unique<SimStream>(connection, 0);
}

}  // namespace sallyport::sim
