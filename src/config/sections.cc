#include "config/sections.h"

#include <algorithm>

namespace sallyport::config {

void describe(Schema& schema, LogSection& log) {
  schema.section("log", "Events, one JSON object a line.");
  schema.add("log.level", log.level,
             "Least level that is written: \"debug\", \"info\", \"warning\" or \"error\".");
  schema.add("log.file", log.file, "File to append to; empty: standard error.");
}

void describe_replay(Schema& schema, SessionSection& session) {
  schema.add("session.replay", session.replay, ByteCount{std::uint64_t{64} << 10U},
             ByteCount{std::uint64_t{256} << 20U},
             "Octets kept until the other side has acknowledged them; when it is full, streams "
             "wait.");
}

void describe(Schema& schema, SessionSection& session) {
  schema.section("session",
                 "The session in the multiplex connection, which outlives TCP connections.");
  schema.add("session.dead_after", session.dead_after, seconds{1}, std::chrono::minutes{30},
             "A connection on which nothing was heard for so long is dead.");
  schema.add("session.detached_for", session.detached_for, seconds{1}, std::chrono::hours{1},
             "A session that is without a connection for so long is gone, with its calls.");
  describe_replay(schema, session);
}

void describe(Schema& schema, const std::string& purpose, TlsSection& tls) {
  schema.section("tls", purpose);
  schema.add("tls.certificate_file", tls.certificate_file,
             "PEM file with the certificate and its chain; empty: no TLS.");
  schema.add("tls.key_file", tls.key_file, "PEM file with its key, of mode 0600.");
  schema.add("tls.trusted_file", tls.trusted_file,
             "PEM file with the roots that certificates of others are verified against.");
}

void describe(Schema& schema, const std::string& path, const std::string& purpose,
              MediaPorts& ports) {
  schema.section(path, purpose);
  schema.add(path + ".ports", ports.range,
             "Range of UDP ports, first and last; they are handed out at random.");
  schema.add(path + ".quarantine", ports.quarantine, seconds{0}, std::chrono::minutes{10},
             "A closed port rests for so long, so that no late packet is heard in a new call.");
}

void describe(Schema& schema, MediaRelaySection& relay) {
  schema.add("media.threads", relay.threads, 0, media::kMaxCores,
             "Threads that relay media, each with the media of some flows. 0: one for each of the "
             "host's cores, 8 at most.");
  schema.add("media.nap", relay.nap, Duration{}, milliseconds{5},
             "Under load a thread that relays media sleeps up to so long before it looks for more "
             "packets, which then come many at a time: less work for each, and so much delay at "
             "most. It does not while there is little to do. 0: never.");
  schema.add(
      "media.fast_path", relay.fast_path,
      "Whether the kernel relays established plain media by itself (eBPF), past sockets and the "
      "host's own packet filter: \"off\", \"auto\" (if it can be had) or \"ebpf\" (a "
      "warning if not). It takes CAP_BPF and CAP_NET_ADMIN: see OPERATIONS.md.");
}

void describe(Schema& schema, std::vector<Mode>& modes) {
  schema.section("control", "Which side runs the protocol adapters.");
  schema.add(
      "control.modes", modes,
      "Accepted modes, the agent's first choice first; no mode in common is a refusal. There "
      "is one so far: \"server_master\".");
}

void describe(Schema& schema, const std::string& purpose, const std::string& usual_file,
              AuditSection& audit) {
  schema.section("audit", purpose);
  schema.add("audit.file", audit.file,
             "JSON lines, each chained to the one before by hash; checked by sallyport audit "
             "verify. Empty: " +
                 usual_file + " in the state folder.");
}

void check(const TlsSection& tls, const Places& where, Problems& problems) {
  if (tls.certificate_file.empty() != tls.key_file.empty())
    where.report(tls.key_file.empty() ? "tls.certificate_file" : "tls.key_file",
                 "certificate_file and key_file go together", problems);
}

void check(const std::vector<Mode>& modes, const Places& where, Problems& problems) {
  if (modes.empty()) where.report("control.modes", "no mode at all", problems);
  if (std::any_of(modes.begin(), modes.end(), [](Mode it) { return it != Mode::ServerMaster; }))
    where.report("control.modes", "this version knows \"server_master\" only", problems);
}

}  // namespace sallyport::config
