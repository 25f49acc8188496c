// The calls that are up, as `sallyport calls` shows them: who with whom, where their media goes,
// and how it gets there, counted by both edges. Figures of an agent that does not answer in time
// are left out. Brain's thread.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <string>
#include <vector>

#include "adapter/call_info.h"
#include "adapter/media_paths.h"
#include "net/network.h"

namespace sallyport::server {

using OnPathCounts = std::function<void(const adapter::PathCounts&)>;

struct CallReportContext {
  std::function<std::string(adapter::Place)> name_of;  // for people
  std::function<void(media::MediaId port, OnPathCounts)> count;
  // What keeps a port's media from coming about; empty: nothing that is known.
  std::function<std::string(media::MediaId port)> problem;
  net::Network& network;
  Duration patience = seconds{1};
};

// Calls `on_report` once.
void report_calls(std::vector<adapter::CallInfo> calls, const CallReportContext& context,
                  std::function<void(const boost::json::array&)> on_report);

}  // namespace sallyport::server
