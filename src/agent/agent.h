// What an agent is made of, and its run: identity, policy, audit log, media thread, dialler,
// session, admin socket. Hardly any logic: each part has its own home.
#pragma once

#include "config/agent_config.h"

namespace sallyport::agent {

// Runs until SIGTERM or SIGINT. 0: stopped when told to; 1: could not start, as standard error
// says.
int run(const config::AgentConfig& config);

}  // namespace sallyport::agent
