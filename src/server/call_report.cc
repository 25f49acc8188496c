#include "server/call_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "admin/wall_time.h"

namespace sallyport::server {
namespace {

namespace json = boost::json;
using adapter::CallInfo;
using adapter::PathCounts;
using media::ComponentCounts;
using media::MediaId;

double to_milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

json::object in_json(const ComponentCounts& counts) {
  const media::Quality& in = counts.in;
  json::object out{{"packets", counts.packets_in},
                   {"octets", counts.octets_in},
                   {"refused", counts.refused},
                   {"lost", in.lost},
                   {"reordered", in.reordered},
                   {"duplicates", in.duplicates},
                   {"ssrc_changes", in.ssrc_changes},
                   {"pauses", in.pauses},
                   {"jitter_ms", nullptr},
                   {"largest_gap_ms", to_milliseconds(in.largest_gap)},
                   {"silence_ms", nullptr}};
  if (in.clock_rate != 0) out["jitter_ms"] = to_milliseconds(in.jitter);
  if (in.silence) out["silence_ms"] = to_milliseconds(*in.silence);
  return out;
}

json::object both_ways(const ComponentCounts& counts) {
  return {{"received", in_json(counts)},
          {"sent", {{"packets", counts.packets_out}, {"octets", counts.octets_out}}}};
}

// Both ends of the flow between agent and server, RTP only: where between them something was lost.
json::object flow_json(const PathCounts& path) {
  json::object out{{"to_server", nullptr},
                   {"to_agent", nullptr},
                   {"round_trip_ms", nullptr},
                   {"to_server_ms", nullptr},
                   {"to_agent_ms", nullptr}};
  if (!path.awaiting.components.empty())
    out["to_server"] = in_json(path.awaiting.components.front());
  if (!path.probing.components.empty()) {
    const ComponentCounts& agent = path.probing.components.front();
    out["to_agent"] = in_json(agent);
    if (agent.round_trip) out["round_trip_ms"] = to_milliseconds(*agent.round_trip);
    if (agent.to_server) out["to_server_ms"] = to_milliseconds(*agent.to_server);
    if (agent.to_agent) out["to_agent_ms"] = to_milliseconds(*agent.to_agent);
  }
  return out;
}

// Where the stream toward this port was seen last: it says what the party there hears.
const ComponentCounts* last_seen(const PathCounts& toward, const PathCounts& from) {
  for (const media::Counts* counts : {&toward.probing, &from.awaiting, &from.port})
    if (!counts->components.empty()) return &counts->components.front();
  return nullptr;
}

std::string heard(const ComponentCounts* stream) {
  if (stream == nullptr || stream->packets_in == 0) return "nothing";
  const media::Quality& in = stream->in;
  std::string out;
  if (in.silence && *in.silence >= seconds{2})
    out = fmt::format("nothing for {} s", std::chrono::duration_cast<seconds>(*in.silence).count());
  else if (in.rtp_packets == 0)
    return fmt::format("{} packets", stream->packets_in);
  else
    out = fmt::format("{:.1f} % lost", 100.0 * static_cast<double>(in.lost) /
                                           static_cast<double>(in.lost + in.rtp_packets));
  if (in.clock_rate != 0) out += fmt::format(", jitter {:.0f} ms", to_milliseconds(in.jitter));
  return out;
}

class Report {
 public:
  Report(std::vector<CallInfo> calls, const CallReportContext& context,
         std::function<void(const json::array&)> on_report)
      : calls_(std::move(calls)),
        name_of_(context.name_of),
        problem_(context.problem),
        on_report_(std::move(on_report)),
        timer_(context.network.make_timer()) {}

  static void start(const std::shared_ptr<Report>& self, const CallReportContext& context) {
    for (const CallInfo& call : self->calls_)
      for (const auto& side : call.media)
        for (const auto& ends : side) self->counts_.emplace(ends.port, PathCounts{});
    self->waiting_ = self->counts_.size() + 1;
    // It lives as long as somebody has not answered.
    self->timer_->start(context.network.now() + context.patience, [weak = std::weak_ptr{self}] {
      if (const auto report = weak.lock()) report->tell();
    });
    std::vector<MediaId> ports;
    for (const auto& [port, counts] : self->counts_) ports.push_back(port);
    for (const MediaId port : ports)
      context.count(port, [self, port](const PathCounts& counts) {
        self->counts_[port] = counts;
        self->answered();
      });
    self->answered();
  }

 private:
  void answered() {
    if (--waiting_ == 0) tell();
  }

  void tell() {
    if (!on_report_) return;
    json::array out;
    for (const CallInfo& call : calls_) out.push_back(call_json(call));
    std::exchange(on_report_, {})(out);
    timer_->stop();
  }

  json::object call_json(const CallInfo& call) {
    json::object out{{"id", std::to_string(call.id.value)},
                     {"protocol", call.protocol},
                     {"state", adapter::name(call.state)},
                     {"from", call.from},
                     {"to", call.to},
                     {"since", admin::to_text(call.since)},
                     {"from_hears", heard_by(call, adapter::kCaller)},
                     {"to_hears", heard_by(call, adapter::kCallee)}};
    describe_carriage(call, out);
    if (const std::string problem = problem_of(call); !problem.empty())
      out["media_problem"] = problem;
    json::array legs;
    for (std::size_t side = 0; side < call.places.size(); ++side) {
      json::array streams;
      for (const auto& ends : call.media.at(side)) streams.push_back(stream_json(ends));
      legs.push_back({{"place", name_of_(call.places.at(side))}, {"media", std::move(streams)}});
    }
    out["legs"] = std::move(legs);
    return out;
  }

  // Of all that crosses between agents and this server: the carriages in use, and whether nothing
  // of it is in clear. Null: nothing crosses.
  void describe_carriage(const CallInfo& call, json::object& out) {
    std::set<std::string_view> carriages;
    bool encrypted = true;
    for (const auto& side : call.media) {
      for (const auto& ends : side) {
        const PathCounts& path = counts_[ends.port];
        if (!path.carriage) continue;
        carriages.insert(media::name(*path.carriage));
        encrypted = encrypted && path.encrypted;
      }
    }
    out["carriage"] = nullptr;
    out["encrypted"] = nullptr;
    if (carriages.empty()) return;
    out["carriage"] = fmt::format("{}", fmt::join(carriages, "+"));
    out["encrypted"] = encrypted;
  }

  std::string problem_of(const CallInfo& call) {
    for (const auto& side : call.media)
      for (const auto& ends : side)
        if (std::string problem = problem_(ends.port); !problem.empty()) return problem;
    return {};
  }

  // Of the first stream, which is what people talk by.
  std::string heard_by(const CallInfo& call, adapter::Side side) {
    const auto& toward = call.media.at(side);
    const auto& from = call.media.at(adapter::other_side(side));
    if (toward.empty() || from.empty()) return "-";
    return heard(last_seen(counts_[toward.front().port], counts_[from.front().port]));
  }

  json::object stream_json(const adapter::MediaEnds& ends) {
    json::array ours;
    for (const TransportAddress& address : ends.ours) ours.emplace_back(address.to_string());
    json::object out{{"ours", std::move(ours)}, {"theirs", nullptr}};
    if (ends.theirs.port != 0) out["theirs"] = ends.theirs.to_string();
    const PathCounts& path = counts_[ends.port];
    const auto& components = path.port.components;
    if (!components.empty()) out["rtp"] = both_ways(components[0]);
    if (components.size() > 1) out["rtcp"] = both_ways(components[1]);
    if (path.carriage) {
      out["carriage"] = media::name(*path.carriage);
      out["encrypted"] = path.encrypted;
      out["flow"] = flow_json(path);
    }
    return out;
  }

  std::vector<CallInfo> calls_;
  std::function<std::string(adapter::Place)> name_of_;
  std::function<std::string(MediaId)> problem_;
  std::function<void(const json::array&)> on_report_;
  std::unique_ptr<net::Timer> timer_;
  std::map<MediaId, PathCounts> counts_;
  std::size_t waiting_ = 0;
};

}  // namespace

void report_calls(std::vector<CallInfo> calls, const CallReportContext& context,
                  std::function<void(const json::array&)> on_report) {
  Report::start(std::make_shared<Report>(std::move(calls), context, std::move(on_report)), context);
}

}  // namespace sallyport::server
