#include "agent/udp_check.h"

#include <algorithm>
#include <array>
#include <utility>

#include "media/probe.h"

namespace sallyport::agent {
namespace {

// Since the start; some may get lost.
constexpr std::array<Duration, 5> kQuestions{milliseconds{0}, milliseconds{100}, milliseconds{300},
                                             milliseconds{600}, milliseconds{1000}};
// How long a better one may answer after a worse one has.
constexpr Duration kGrace = milliseconds{200};

// As small as what it asks for, and nothing of ours by its first octet.
constexpr std::array<std::uint8_t, media::kProbePleaseSize> kQuestion{0x80};

}  // namespace

UdpCheck::UdpCheck(net::Network& network, std::vector<TransportAddress> servers, Duration patience,
                   OnResult on_result)
    : network_(network),
      servers_(std::move(servers)),
      on_result_(std::move(on_result)),
      began_(network.now()),
      best_(servers_.size()),
      ask_timer_(network.make_timer()),
      end_timer_(network.make_timer()) {
  const IpAddress any = servers_.front().ip.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6();
  auto socket =
      network_.open_datagrams({.ip = any, .port = 0}, {},
                              [this](const TransportAddress& source, const IpAddress& /*local*/,
                                     Bytes datagram) { on_datagram(source, datagram); });
  if (socket) socket_ = std::move(*socket);
  end_timer_->start(began_ + patience, [this] { finish(); });
  ask();
}

void UdpCheck::ask() {
  if (!socket_) return;
  for (const TransportAddress& server : servers_) socket_->send({}, server, kQuestion);
  if (++asked_ == kQuestions.size()) return;
  ask_timer_->start(began_ + kQuestions.at(asked_), [this] { ask(); });
}

void UdpCheck::on_datagram(const TransportAddress& source, Bytes datagram) {
  const auto server = std::find(servers_.begin(), servers_.end(), source);
  if (server == servers_.end() || !media::parse_probe_please(datagram)) return;
  const auto which = static_cast<std::size_t>(server - servers_.begin());
  if (which >= best_) return;
  const bool first = best_ == servers_.size();
  best_ = which;
  // Not from inside the socket's handler: it ends with us.
  if (best_ == 0)
    end_timer_->start(network_.now(), [this] { finish(); });
  else if (first)
    end_timer_->start(network_.now() + kGrace, [this] { finish(); });
}

void UdpCheck::finish() {
  ask_timer_->stop();
  const auto on_result = std::exchange(on_result_, {});
  if (on_result) on_result(best_ < servers_.size() ? std::optional{servers_[best_]} : std::nullopt);
}

}  // namespace sallyport::agent
