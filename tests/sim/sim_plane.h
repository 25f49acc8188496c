// media::Plane in virtual time: the product's own Relay over sockets of the simulated world.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "media/plane.h"
#include "media/relay.h"
#include "sim_network.h"

namespace sallyport::sim {

class SimPlane final : public media::Plane, private media::Sender {
 public:
  // `server_sockets`: X and Y; none at an agent.
  SimPlane(SimNetwork& network, media::PortRange range,
           const std::vector<TransportAddress>& server_sockets);
  ~SimPlane() override;

  Result<media::OpenedPort> open_port(const media::PortSpec& spec, OnEvent on_event) override;
  Result<media::MediaId> open_flow(const media::FlowSpec& spec, OnEvent on_event) override;
  Result<media::MediaId> open_trunk(const media::TrunkSpec& spec, OnEvent on_event) override;
  void install_keys(media::KeyRingId ring, const media::KeysOfConnection& keys) override;
  void forget_keys(media::KeyRingId ring) override { relay_->forget_keys(ring); }
  void set_remote(media::MediaId, const media::RemoteSpec& remote) override;
  void join(media::MediaId, media::MediaId) override;
  void leave(media::MediaId) override;
  void replace(media::MediaId old, media::MediaId by, media::ReplaceStep step) override {
    relay_->replace(old, by, step);
  }
  void probe(media::MediaId) override;
  void close(media::MediaId) override;
  void count(media::MediaId, OnCounts on_counts) override;

  const media::Totals& totals() const { return relay_->totals(); }
  std::size_t ends() const { return relay_->ends(); }
  std::size_t trunks() const { return relay_->trunks(); }

 private:
  void send(media::SocketId from, const TransportAddress& to, TrafficClass as,
            Bytes datagram) override;
  void send_copy(media::SocketId from, const TransportAddress& to, TrafficClass as,
                 Bytes datagram) override {
    send(from, to, as, datagram);
  }
  std::optional<media::SocketId> open_socket(std::uint16_t port);
  void close_socket(media::SocketId socket);
  void on_datagram(media::SocketId socket, const TransportAddress& source, Bytes datagram);
  void schedule();

  SimNetwork& network_;
  media::PortRange range_;
  std::unique_ptr<media::Relay> relay_;
  std::unique_ptr<net::Timer> timer_;
  std::uint64_t next_id_ = 1;
  std::uint32_t next_socket_ = 1;
  std::uint16_t next_port_;
  std::map<media::SocketId, TransportAddress> sockets_;
  std::unordered_map<media::MediaId, OnEvent> events_;
  std::unordered_map<media::MediaId, std::vector<media::SocketId>> owned_;
};

}  // namespace sallyport::sim
