// What a server is made of, and its run: store, authority, enrolment, media thread, brain with its
// adapters, outside edge, acceptor of agents, admin socket. Hardly any logic: each part has its
// home.
#pragma once

#include "config/server_config.h"

namespace sallyport::server {

// Runs until SIGTERM or SIGINT. 0: stopped when told to; 1: could not start, as standard error
// says.
int run(const config::ServerConfig& config);

}  // namespace sallyport::server
