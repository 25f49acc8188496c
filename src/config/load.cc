#include "config/load.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace sallyport::config {
namespace {

constexpr std::size_t kMaxFile = std::size_t{1} << 20U;  // more is not a configuration

// The text of a file, or a problem. An absent usual file is no problem.
std::string read_file(const std::string& path, bool must_exist, Problems& problems) {
  std::ifstream file{path, std::ios::binary};
  if (!file) {
    if (must_exist || errno != ENOENT)
      problems.push_back({path, {}, std::string{"cannot be read: "} + std::strerror(errno)});
    return {};
  }
  std::string text(kMaxFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFile) {
    problems.push_back({path, {}, "longer than 1 MiB"});
    return {};
  }
  return text;
}

// The key that a variable nearly names, two slips at most. Others that
// begin with SALLYPORT_ belong to whoever set them.
std::string nearest_by_environment(const Schema& schema, const std::string& name) {
  std::string path = name.substr(std::string_view{"SALLYPORT_"}.size());
  std::transform(path.begin(), path.end(), path.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const Key& key : schema.keys()) {
    std::string flat = key.path;
    std::replace(flat.begin(), flat.end(), '.', '_');
    if (edit_distance(path, flat) <= 2) return environment_name(key.path);
  }
  return {};
}

const Key* find_by_environment(const Schema& schema, const std::string& name) {
  const auto it = std::find_if(schema.keys().begin(), schema.keys().end(),
                               [&](const Key& key) { return environment_name(key.path) == name; });
  return it == schema.keys().end() ? nullptr : &*it;
}

// `other`: the other side's keys, which may stand in the same environment.
template <typename Config>
Loaded<Config> load(const Sources& sources, const std::string& usual_file, const Schema& other) {
  Loaded<Config> out;
  const Schema schema = describe(out.config);
  Places places;

  const std::string path = sources.file.value_or(usual_file);
  const std::string text = read_file(path, sources.file.has_value(), out.problems);
  schema.read(read_toml(text, path, out.problems), path, places, out.problems);

  for (const auto& [name, value] : sources.environment) {
    if (const Key* key = find_by_environment(schema, name)) {
      schema.read_text(*key, value, "environment " + name, places, out.problems);
    } else if (find_by_environment(other, name) == nullptr) {
      const std::string nearest = nearest_by_environment(schema, name);
      if (!nearest.empty())
        out.problems.push_back(
            {"environment " + name, {}, "no such key (did you mean " + nearest + "?)"});
    }
  }
  for (const std::string& setting : sources.settings) {
    const std::size_t equals = setting.find('=');
    const std::string name = setting.substr(0, equals);
    const Key* key = schema.find(name);
    if (equals == std::string::npos) {
      out.problems.push_back({"--set " + setting, {}, "not KEY=VALUE"});
    } else if (key == nullptr) {
      out.problems.push_back(
          {"--set " + name, {}, "unknown key '" + name + "'" + schema.suggestion(name)});
    } else {
      schema.read_text(*key, std::string_view{setting}.substr(equals + 1), "--set " + name, places,
                       out.problems);
    }
  }
  if (out.problems.empty()) check(out.config, places, out.problems);
  return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> environment() {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const std::size_t equals = text.find('=');
    if (!text.starts_with("SALLYPORT_") || equals == std::string_view::npos) continue;
    out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

Loaded<ServerConfig> load_server(const Sources& sources) {
  AgentConfig agent;
  return load<ServerConfig>(sources, kServerFile, describe(agent));
}

Loaded<AgentConfig> load_agent(const Sources& sources) {
  ServerConfig server;
  return load<AgentConfig>(sources, kAgentFile, describe(server));
}

std::string default_server_file() {
  ServerConfig config;
  return std::string{"# Sallyport's server, "} + kServerFile +
         ": every key with its default.\n"
         "# What is left out has its default. Each key can be overridden by the environment\n"
         "# (SALLYPORT_MEDIA_X=2776) and by a flag (--set media.x=2776).\n\n" +
         describe(config).to_toml();
}

std::string default_agent_file() {
  AgentConfig config;
  return std::string{"# Sallyport's agent, "} + kAgentFile +
         ": every key with its default.\n"
         "# What is left out has its default. Each key can be overridden by the environment\n"
         "# (SALLYPORT_MEDIA_PORTS=30000-30999) and by a flag (--set "
         "media.ports=30000-30999).\n\n" +
         describe(config).to_toml();
}

}  // namespace sallyport::config
