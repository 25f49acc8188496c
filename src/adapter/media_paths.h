// Media paths as an adapter asks for them. The adapter opens a port on each side of a call, puts
// the port's address into what it sends to that side, and connects two ports; it never sees a flow.
// The implementation (brain/media_paths.h) knows that two ports at one edge are joined there, that
// a port inside and one outside need a flow between the edges, and that ports of two agents need
// two flows that the outside edge joins. Ids are the Commands' new_id() space; what opens is closed
// by close(). A handler may be called before the function that took it returns.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "media/media.h"

namespace sallyport::adapter {

struct Place;
class Commands;
using media::MediaId;

// Counted at the port itself, and at both ends of its flow to the outside edge, if it has one: in
// at the probing end is what came from the server, in at the awaiting end what came from the agent.
struct PathCounts {
  media::Counts port, probing, awaiting;
  std::optional<media::Carriage> carriage;  // of that flow
  bool encrypted = false;                   // between agent and server
};

class MediaPaths {
 public:
  struct Handler {
    // The port's own addresses as its side sees them (RTP, RTCP): what goes into the signalling.
    std::function<void(const std::vector<TransportAddress>&, Commands&)> on_open;
    // No port, or not any more: Exhausted, NotPermitted, Closed (the edge is lost). The id is free.
    std::function<void(Errc, const std::string&, Commands&)> on_failed;
    std::function<void(const media::Event&, Commands&)> on_event;  // may be empty
  };

  MediaPaths() = default;
  MediaPaths(const MediaPaths&) = delete;
  MediaPaths& operator=(const MediaPaths&) = delete;
  virtual ~MediaPaths() = default;

  virtual MediaId open_port(Place place, const media::PortSpec& spec, Handler handler) = 0;
  virtual void set_remote(MediaId port, const media::RemoteSpec& remote) = 0;
  // From now on what arrives at a leaves at b, and the other way round; earlier connections of
  // either end. Needs neither port to be open yet.
  virtual void connect(MediaId a, MediaId b) = 0;
  // Signalling says that media can start on this port's path: probe its flows now.
  virtual void start(MediaId port) = 0;
  virtual void close(MediaId port) = 0;
  // What passed along the port's path; told once, and without figures that cannot be had any more.
  virtual void count(MediaId port, std::function<void(const PathCounts&, Commands&)> on_counts) = 0;
};

}  // namespace sallyport::adapter
