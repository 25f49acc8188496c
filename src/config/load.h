// Reads a configuration from everywhere it may come from: defaults < file < environment
// (SALLYPORT_SECTION_KEY) < command line (--set section.key=value). Works without any of them.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/agent_config.h"
#include "config/server_config.h"

namespace sallyport::config {

struct Sources {
  std::optional<std::string> file;  // none: the side's usual file, if there is one
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> settings;  // "section.key=value"
};

// The environment of this process, those variables that begin with SALLYPORT_.
std::vector<std::pair<std::string, std::string>> environment();

template <typename Config>
struct Loaded {
  Config config;
  Problems problems;  // none: config may be used
  bool ok() const { return problems.empty(); }
};

Loaded<ServerConfig> load_server(const Sources& sources);
Loaded<AgentConfig> load_agent(const Sources& sources);

// The complete default files with a comment for every key.
std::string default_server_file();
std::string default_agent_file();

}  // namespace sallyport::config
