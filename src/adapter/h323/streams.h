// The media streams of one call: each has a port on either side, and what arrives at one leaves at
// the other. Which channels there are and what their addresses mean is told by logical_channels.h;
// this knows ports, and what a side has said of itself. Brain's thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/call_id.h"
#include "adapter/call_info.h"
#include "adapter/marks.h"

namespace sallyport::adapter::h323 {

class Streams {
 public:
  // Whose media it is: where it is reached, and what is known of that side.
  struct Party {
    Place place;
    IpAddress signalling;  // where its signalling comes from
    bool behind_nat = false;
    Marks marks;
  };

  enum class Kind : std::uint8_t { Audio, Video, Data, Fax };

  struct Port {
    MediaId id;
    std::vector<TransportAddress> own;  // empty until it is open
    // What that side said of where it takes RTP and RTCP.
    std::array<std::optional<TransportAddress>, media::kMaxComponents> theirs;
    std::optional<media::RemoteSpec> told;
    bool failed = false;
  };
  struct Stream {
    Kind kind = Kind::Audio;
    unsigned session = 0;       // 0: the master has not given it a number yet
    std::array<Port, 2> ports;  // by the side that they face
    std::uint64_t bits = 0;     // a second, the most that was agreed for one direction
    bool joined = false;
    bool is_open() const { return !ports[0].own.empty() && !ports[1].own.empty(); }
    bool has_failed() const { return ports[0].failed || ports[1].failed; }
  };
  using StreamPtr = std::shared_ptr<Stream>;

  // `on_change`: a port has opened or failed.
  explicit Streams(std::function<void(Commands&)> on_change) : on_change_(std::move(on_change)) {}

  void set_party(Side side, Party party) { parties_[side] = std::move(party); }
  const Party& party(Side side) const { return parties_[side]; }

  // Opens a port on each side.
  StreamPtr open(Kind kind, unsigned session, Commands& out);
  // Takes over what the sides have said, and lets media pass. `start`: it can come at once.
  void apply(Stream& stream, bool start, Commands& out);
  void close(const StreamPtr& stream, Commands& out);
  void close_all(Commands& out);

  // How many packets have come from that side, all streams together.
  void count(Side side, std::function<void(std::uint64_t packets, Commands&)> on_count,
             Commands& out) const;
  const std::vector<StreamPtr>& all() const { return streams_; }
  std::vector<MediaEnds> ends(Side side) const;

 private:
  void open_port(const StreamPtr& stream, Side side, Commands& out);
  void set_remote(Stream& stream, Side side, Commands& out);

  std::function<void(Commands&)> on_change_;
  std::array<Party, 2> parties_;
  std::vector<StreamPtr> streams_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::adapter::h323
