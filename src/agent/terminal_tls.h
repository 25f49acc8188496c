// The certificates with which this agent speaks TLS to its terminals: the configured one, or one of
// its own making, kept in the state directory, that a phone has to be told to trust.
#pragma once

#include "agent/identity.h"
#include "base/random.h"
#include "base/result.h"
#include "config/agent_config.h"
#include "edge/certificates.h"

namespace sallyport::agent {

// BadValue, NotFound or System when a configured file cannot be used or our own cannot be kept.
Result<edge::Certificates> terminal_certificates(const config::AgentConfig& config,
                                                 const Identity& identity, Random& random,
                                                 WallTime now);

}  // namespace sallyport::agent
