// Configuration files of both sides: nothing crashes, every problem has its place in the file, and
// a file without problems is written back as one that reads the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "config/agent_config.h"
#include "config/server_config.h"
#include "require.h"

namespace {

using namespace sallyport::config;  // the whole file is about it

template <typename Config>
void read_and_write_back(std::string_view text) {
  Problems problems;
  const Table table = read_toml(text, "fuzz.toml", problems);
  if (!problems.empty()) return;
  Config config;
  Places places;
  const Schema schema = describe(config);
  schema.read(table, "fuzz.toml", places, problems);
  for (const Problem& problem : problems)
    SALLYPORT_REQUIRE(problem.place.line != 0 && !problem.what.empty());
  if (!problems.empty()) return;
  check(config, places, problems);

  const std::string written = schema.to_toml();
  Problems again;
  Config copy;
  const Schema copys = describe(copy);
  copys.read(read_toml(written, "written.toml", again), "written.toml", places, again);
  // Tables of tables are written as a commented example, so only what stands beside them is kept.
  SALLYPORT_REQUIRE(again.empty());
  SALLYPORT_REQUIRE(copys.to_toml() == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  read_and_write_back<ServerConfig>(text);
  read_and_write_back<AgentConfig>(text);
  return 0;
}
