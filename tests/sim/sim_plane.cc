#include "sim_plane.h"

#include <algorithm>

namespace sallyport::sim {

using media::MediaId;
using media::SocketId;

SimPlane::SimPlane(SimNetwork& network, media::PortRange range,
                   const std::vector<TransportAddress>& server_sockets)
    : network_(network), range_(range), timer_(network.make_timer()), next_port_(range.first) {
  relay_ =
      std::make_unique<media::Relay>(media::RelayOptions{}, network.world().random(),
                                     [this](MediaId id, const media::Event& event) {
                                       network_.post([this, id, event] {
                                         if (const auto it = events_.find(id); it != events_.end())
                                           it->second(id, event);
                                       });
                                     });
  for (const TransportAddress& address : server_sockets)
    if (const auto socket = open_socket(address.port)) (void)relay_->add_server_socket(*socket);
}

SimPlane::~SimPlane() {
  for (const auto& [socket, address] : sockets_) network_.world().unbind(network_.realm(), address);
}

std::optional<SocketId> SimPlane::open_socket(std::uint16_t port) {
  const SocketId socket{next_socket_++};
  const TransportAddress address{network_.address(), port};
  const bool bound = network_.world().bind(
      network_.realm(), address,
      [this, socket](const TransportAddress& from, Bytes b) { on_datagram(socket, from, b); });
  if (!bound) return std::nullopt;
  sockets_[socket] = address;
  return socket;
}

void SimPlane::close_socket(SocketId socket) {
  network_.world().unbind(network_.realm(), sockets_.at(socket));
  sockets_.erase(socket);
}

void SimPlane::on_datagram(SocketId socket, const TransportAddress& source, Bytes datagram) {
  Buffer buffer(media::kHeadroom + datagram.size());
  std::copy(datagram.begin(), datagram.end(), buffer.begin() + media::kHeadroom);
  relay_->on_datagram(socket, source, MutableBytes{buffer}.subspan(media::kHeadroom),
                      network_.now(), *this);
  schedule();
}

void SimPlane::schedule() {
  if (const auto due = relay_->next_deadline())
    timer_->start(*due, [this] {
      relay_->on_time(network_.now(), *this);
      schedule();
    });
}

void SimPlane::send(SocketId from, const TransportAddress& to, TrafficClass /*as*/,
                    Bytes datagram) {
  network_.world().send(network_.realm(), sockets_.at(from), to, datagram);
}

Result<media::OpenedPort> SimPlane::open_port(const media::PortSpec& spec, OnEvent on_event) {
  media::OpenedPort opened{.id = MediaId{next_id_++}, .addresses = {}};
  std::vector<SocketId> sockets;
  if (next_port_ % 2 != 0) ++next_port_;
  for (unsigned i = 0; i < spec.components; ++i) {
    if (next_port_ > range_.last) next_port_ = range_.first;
    const auto socket = open_socket(next_port_++);
    if (!socket) return fail(Errc::Exhausted, "no free port");
    sockets.push_back(*socket);
    opened.addresses.push_back(sockets_.at(*socket));
  }
  const auto added = relay_->add_port(opened.id, sockets, spec.dscp);
  if (!added) return tl::make_unexpected(added.error());
  events_[opened.id] = std::move(on_event);
  owned_[opened.id] = std::move(sockets);
  return opened;
}

Result<MediaId> SimPlane::open_flow(const media::FlowSpec& spec, OnEvent on_event) {
  const MediaId id{next_id_++};
  std::vector<SocketId> sockets;
  if (spec.end == media::FlowEnd::Probing && !spec.tagged())
    for (std::size_t i = 0; i < spec.components.size(); ++i)
      if (const auto socket = open_socket(static_cast<std::uint16_t>(50000 + next_socket_)))
        sockets.push_back(*socket);
  const auto added = relay_->add_flow(id, spec, sockets);
  if (!added) return tl::make_unexpected(added.error());
  events_[id] = std::move(on_event);
  owned_[id] = std::move(sockets);
  schedule();
  return id;
}

Result<MediaId> SimPlane::open_trunk(const media::TrunkSpec& spec, OnEvent on_event) {
  const MediaId id{next_id_++};
  std::vector<SocketId> sockets;
  if (spec.end == media::FlowEnd::Probing)
    if (const auto socket = open_socket(static_cast<std::uint16_t>(50000 + next_socket_)))
      sockets.push_back(*socket);
  const auto added = relay_->add_trunk(id, spec, sockets);
  if (!added) return tl::make_unexpected(added.error());
  events_[id] = std::move(on_event);
  owned_[id] = std::move(sockets);
  return id;
}

void SimPlane::install_keys(media::KeyRingId ring, const media::KeysOfConnection& keys) {
  relay_->install_keys(ring, keys, network_.now());
}

void SimPlane::set_remote(MediaId id, const media::RemoteSpec& remote) {
  relay_->set_remote(id, remote, network_.now());
  schedule();
}
void SimPlane::join(MediaId a, MediaId b) { relay_->join(a, b); }
void SimPlane::leave(MediaId id) { relay_->leave(id); }
void SimPlane::probe(MediaId id) {
  relay_->probe(id, network_.now());
  schedule();
}

void SimPlane::close(MediaId id) {
  relay_->close(id);
  events_.erase(id);
  if (const auto it = owned_.find(id); it != owned_.end()) {
    for (const SocketId socket : it->second) close_socket(socket);
    owned_.erase(it);
  }
}

void SimPlane::count(MediaId id, OnCounts on_counts) {
  network_.post([counts = relay_->count(id, network_.now()).value_or(media::Counts{}),
                 on_counts = std::move(on_counts)] { on_counts(counts); });
}

}  // namespace sallyport::sim
