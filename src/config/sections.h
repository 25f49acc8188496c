// The sections that server and agent both have: their keys and their checks. Used by
// server_config.cc and agent_config.cc only.
#pragma once

#include <string>
#include <vector>

#include "config/schema.h"
#include "config/values.h"

namespace sallyport::config {

void describe(Schema& schema, LogSection& log);
void describe(Schema& schema, SessionSection& session);  // the server's
void describe_replay(Schema& schema, SessionSection& session);
void describe(Schema& schema, const std::string& purpose, TlsSection& tls);
void describe(Schema& schema, const std::string& path, const std::string& purpose,
              MediaPorts& ports);
void describe(Schema& schema, MediaRelaySection& relay);
void describe(Schema& schema, std::vector<Mode>& modes);
void describe(Schema& schema, const std::string& purpose, const std::string& usual_file,
              AuditSection& audit);

void check(const TlsSection& tls, const Places& where, Problems& problems);
void check(const std::vector<Mode>& modes, const Places& where, Problems& problems);

}  // namespace sallyport::config
