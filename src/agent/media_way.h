// The way of this agent's media to its server: by UDP to X, by UDP to the server's alternative
// port, or, where neither gets through, over a stream (edge/media_stream.h), and back by itself.
// Stands between the edge and the media plane, and sends each trunk where its probes are answered;
// everything else it hands on as it is. What is bound to a socket of its own (the bound carriage)
// has no other way than UDP.
//
// A trunk that is not confirmed in time, when it is opened or when it has fallen silent, goes the
// next way. While it goes over a stream UDP is tried every so often: the trunk is sent there, which
// harms nothing, since its packets go the old way until the new one has answered, and sent back. A
// way back that turns out to be none doubles that time. A stream over which probes are not answered
// is dead, whatever TCP thinks of it: another is dialled. On the network's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/log_limiter.h"
#include "base/result.h"
#include "base/time.h"
#include "config/values.h"
#include "edge/media_stream.h"
#include "media/plane.h"
#include "net/network.h"

namespace sallyport::agent {

class MediaWay final : public media::Plane {
 public:
  using OnStream = std::function<void(std::unique_ptr<net::Stream>)>;  // TLS is done
  using OnFailed = std::function<void(const std::string& why)>;
  // Dials the server for a media stream; calls one of the two once, never from inside. What it
  // returns is destroyed to end that.
  using Dial = std::function<std::shared_ptr<void>(OnStream, OnFailed)>;

  struct Settings {
    config::MediaWay mode = config::MediaWay::Auto;
    // Until a way that does not answer is given up. Less than a relay's flow takes to move (2 s).
    Duration patience = milliseconds{1500};
    // A trunk that goes by UDP is probed at each new flow, and so often: what it sends may get lost
    // while what it receives does not.
    Duration check_every = seconds{10};
    // The same of a stream. A slow one may answer late; TCP itself would wait for 24 s.
    Duration stream_patience = seconds{3};
    Duration check_stream_every = seconds{2};
    Duration try_again = seconds{10};  // UDP, while media goes over a stream
    Duration longest_try_again = std::chrono::minutes{5};
    Duration dial_again = seconds{1};  // doubling
    Duration longest_dial_again = seconds{30};
    Duration linger = seconds{3};  // how long a stream that was left is still listened to
  };

  // All outlive it.
  MediaWay(net::Network& network, media::Plane& plane, Log& log, const Settings& settings,
           Dial dial);
  ~MediaWay() override;

  // Where the server takes media beside X; 0: nowhere. For what is tried from now on.
  void set_alternative_port(std::uint16_t port) { alternative_port_ = port; }

  // "udp", "udp 443", "stream"; of the worst trunk. Empty without any.
  std::string describe() const;
  edge::MediaStream::Counts streamed() const;
  // How the flow that was opened last travels. Nothing: there was none.
  std::optional<media::Carriage> carriage() const { return carriage_; }

  // ---- Plane ----
  Result<media::OpenedPort> open_port(const media::PortSpec& spec, OnEvent on_event) override {
    return plane_.open_port(spec, std::move(on_event));
  }
  Result<media::MediaId> open_flow(const media::FlowSpec& spec, OnEvent on_event) override;
  Result<media::MediaId> open_trunk(const media::TrunkSpec& spec, OnEvent on_event) override;
  void install_keys(media::KeyRingId ring, const media::KeysOfConnection& keys) override {
    plane_.install_keys(ring, keys);
  }
  void forget_keys(media::KeyRingId ring) override { plane_.forget_keys(ring); }
  void set_remote(media::MediaId id, const media::RemoteSpec& remote) override;
  void join(media::MediaId a, media::MediaId b) override { plane_.join(a, b); }
  void leave(media::MediaId id) override { plane_.leave(id); }
  void replace(media::MediaId old, media::MediaId by, media::ReplaceStep step) override {
    plane_.replace(old, by, step);
  }
  void probe(media::MediaId id) override { plane_.probe(id); }
  void close(media::MediaId id) override;
  void count(media::MediaId id, OnCounts on_counts) override {
    plane_.count(id, std::move(on_counts));
  }

 private:
  struct Trunk;

  Trunk* find(media::MediaId id);
  bool may_change() const { return settings_.mode == config::MediaWay::Auto; }
  bool checks(const Trunk& trunk) const;
  Duration patience(const Trunk& trunk) const;
  void on_event(media::MediaId id, const media::Event& event);
  void check(Trunk& trunk);
  void await_answer(Trunk& trunk, Duration patience);
  void await_nothing(Trunk& trunk);
  void on_answer(Trunk& trunk);
  void on_no_answer(Trunk& trunk);
  TransportAddress alternative(const Trunk& trunk) const;
  void send_to(const Trunk& trunk, const TransportAddress& server);
  void try_udp(Trunk& trunk, const TransportAddress& server);
  void try_udp_later(Trunk& trunk);
  void try_udp_at(Trunk& trunk, TimePoint when);
  void dial_stream(Trunk& trunk);
  void on_stream(media::MediaId id, std::unique_ptr<net::Stream> stream);
  void on_no_stream(media::MediaId id, const std::string& why);
  void on_stream_ended(media::MediaId id, const std::string& why);
  void dial_later(Trunk& trunk, const std::string& why);
  void end_stream(Trunk& trunk);
  template <typename T>
  void bury(T dead);  // not from inside its own handler

  net::Network& network_;
  media::Plane& plane_;
  Log& log_;
  Settings settings_;
  Dial dial_;
  LogLimiter no_stream_;
  std::map<media::MediaId, std::unique_ptr<Trunk>> trunks_;
  std::uint16_t alternative_port_ = 0;
  bool udp_fails_ = false;  // as far as we know; the next trunk does not wait to find it out
  edge::MediaStream::Counts ended_;
  std::optional<media::Carriage> carriage_;
};

}  // namespace sallyport::agent
