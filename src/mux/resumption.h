// Who may take a session over: the proof that resumes it, and the numbers of its connections.
// The side that accepted issues a fresh secret with each hello-accept, inside TLS; the next
// connection is proven with it, bound to that connection's TLS exporter, so that neither a stolen
// hello nor a man in the middle with another TLS connection can resume. One for each session, on
// either side; owned by Multiplex.
#pragma once

#include <cstdint>
#include <optional>

#include "base/random.h"
#include "mux/record.h"

namespace sallyport::mux {

// HMAC-SHA256 with the secret over
//   | "sallyport resume 1" | exporter (32) | hello's body up to its proof (60) |
ResumeProof resume_proof(const ResumeSecret& secret, const ExporterKey& exporter,
                         const Hello& hello);

class Resumption {
 public:
  const SessionId& session() const { return session_; }
  std::uint64_t connection() const { return connection_; }  // the greatest number used

  // ---- The side that dials ----
  Hello hello(const InstanceId& instance, const ExporterKey& exporter, std::uint64_t received,
              WayKind way = WayKind::Untold);
  // The session and the next secret are now known.
  void accepted(const HelloAccept& accept);

  // ---- The side that accepts ----
  std::optional<RefusalCode> judge(const Hello& hello, const ExporterKey& exporter) const;
  // Fills in session and secret. The secret before stays good until confirmed(): the far side may
  // never see this answer.
  void accept(const Hello& hello, const ExporterKey& exporter, Random& random, HelloAccept& answer);
  // Something was received after the last accept(): its answer has arrived.
  void confirmed();

 private:
  bool proves(const std::optional<ResumeSecret>& secret, const Hello& hello,
              const ExporterKey& exporter) const;

  SessionId session_{};
  std::uint64_t connection_ = 0;
  std::optional<ResumeSecret> secret_;  // that the far side is known to hold
  std::optional<ResumeSecret> issued_;  // that it may hold
};

}  // namespace sallyport::mux
