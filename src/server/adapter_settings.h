// What every adapter is told alike, from the configuration: limits and marks. Values.
#pragma once

#include "adapter/limits.h"
#include "adapter/marks.h"
#include "config/server_config.h"

namespace sallyport::server {

inline adapter::Marks marks(const config::ServerConfig::Marks& configured) {
  return {.signalling = configured.signalling,
          .audio = configured.audio,
          .video = configured.video,
          .other = configured.other};
}

inline adapter::Limits limits(const config::ServerConfig& config) {
  return {.calls = config.limits.calls,
          .calls_per_agent = config.limits.calls_per_agent,
          .unanswered_of_source = config.limits.unanswered_per_source,
          .bandwidth = config.limits.bandwidth.bits,
          .bandwidth_per_agent = config.limits.bandwidth_per_agent.bits,
          .bandwidth_per_call = config.limits.bandwidth_per_call.bits,
          .requests_a_second = config.limits.requests_per_second,
          .new_calls_a_second = config.limits.new_calls_per_second,
          .upstreams = config.upstream_addresses()};
}

}  // namespace sallyport::server
