// The small values that both sides' configurations are made of, and the sections that both have.
// Plain values; nothing here reads a file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/host_port.h"
#include "base/log.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "edge/edge.h"
#include "fastpath/open.h"
#include "media/plane.h"
#include "media/steering.h"

namespace sallyport::config {

// Written "udp:0.0.0.0:5060", "tls:[2001:db8::1]:5061".
struct ListenAddress {
  edge::Transport transport = edge::Transport::Udp;
  TransportAddress address;

  static Result<ListenAddress> parse(std::string_view text);
  std::string to_string() const;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

// Written "http://proxy.example.net:3128" or "http://USER@proxy.example.net:3128", with what is no
// plain letter of the user as %XX. No host: none.
struct ProxyAddress {
  std::string user;
  HostPort address;

  static Result<ProxyAddress> parse(std::string_view text);
  std::string to_string() const;
  friend bool operator==(const ProxyAddress&, const ProxyAddress&) = default;
};

struct ByteCount {
  std::uint64_t octets = 0;
  friend auto operator<=>(const ByteCount&, const ByteCount&) = default;
};

// In one direction. Written "512 kbit/s", "100 Mbit/s", or "none": no limit.
struct BitRate {
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::uint64_t bits = kNone;  // a second
  friend auto operator<=>(const BitRate&, const BitRate&) = default;
};

// By which way an agent's tagged media goes to its server.
enum class MediaWay : std::uint8_t { Auto, Udp, Stream };

// Which side runs the protocol adapters. A session uses the first mode of the agent's list that the
// server's list has too; none in common is a refusal.
enum class Mode : std::uint8_t { ServerMaster, AgentMaster };

struct LogSection {
  Level level = Level::Info;
  std::string file;  // empty: standard error, which systemd takes into the journal
};

// The resumable session of the multiplex connection. The times are the server's to say: it tells
// them to each agent.
struct SessionSection {
  Duration dead_after = seconds{15};          // nothing heard for so long: the connection is dead
  Duration detached_for = seconds{60};        // then a session without a connection is gone
  ByteCount replay{std::uint64_t{1} << 20U};  // kept until acknowledged; full: streams wait
};

// A certificate and its key as PEM files; both empty: none.
struct TlsSection {
  std::string certificate_file;
  std::string key_file;
  std::string trusted_file = "/etc/ssl/certs/ca-certificates.crt";
};

// What an edge was told to open or close.
struct AuditSection {
  std::string file;  // empty: in the state directory
};

// How media is relayed.
struct MediaRelaySection {
  unsigned threads = 1;
  Duration nap{};
  fastpath::Mode fast_path = fastpath::Mode::Off;

  unsigned thread_count() const {
    return threads != 0 ? threads
                        : std::clamp(std::thread::hardware_concurrency(), 1U, media::kMaxCores);
  }
};

// Where media ports towards terminals (agent) or destinations (server) lie.
struct MediaPorts {
  media::PortRange range{30000, 39999};
  Duration quarantine = seconds{30};
};

}  // namespace sallyport::config
