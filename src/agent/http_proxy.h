// The site's HTTP proxy as the configuration names it, with its password from a file. Used by the
// agent and by `sallyport join`, at their start.
#pragma once

#include <optional>

#include "agent/way.h"
#include "base/result.h"
#include "config/agent_config.h"

namespace sallyport::agent {

// None if none is configured. NotFound, NotPermitted (others may read it) or BadValue: the password
// file cannot be used.
Result<std::optional<HttpProxy>> configured_proxy(const config::AgentConfig& config);

}  // namespace sallyport::agent
