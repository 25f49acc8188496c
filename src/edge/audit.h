// The audit log: what an edge was told to open or close, by whom, and whether it did. JSON lines,
// each chained to the one before by hash, so that a line that is changed, removed or put in shows:
//
//   {"n":7,"ts":"2026-01-31T12:00:00.123Z","by":"server","act":"listen","what":"udp 0.0.0.0:5060",
//    "id":"12","result":"done","prev":"<hash of line 6>","hash":"<SHA-256 of this line up to
//    prev>"}
//
// `hash` is the SHA-256 over the line's octets before `,"hash":`, in hexadecimal. The first line of
// a new log has an all-zero `prev`; a rotated log goes on with the last hash of the one before.
// Written on the edge's thread, without waiting for the disk; a line that cannot be written is
// counted, and the next one that can says how many were lost ("lost":n). One thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace sallyport::edge {

class Audit {
 public:
  using WallClock = std::function<WallTime()>;
  // Appends to the file (made with mode 0600) and goes on from its last line's hash. BadValue if
  // that line cannot be read; System if the file cannot be opened.
  static Result<std::unique_ptr<Audit>> open(const std::string& path, WallClock clock);
  // Keeps nothing: for simulations.
  static std::unique_ptr<Audit> none();

  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;
  ~Audit();

  // `id` 0: none. `result` is "done", or why it was refused.
  void record(std::string_view by, std::string_view act, std::string_view what, std::uint64_t id,
              std::string_view result);
  std::uint64_t lost() const { return lost_in_all_; }
  // Of the last line. Kept elsewhere, it shows later whether the log was cut off or replaced.
  const std::string& last_hash() const { return previous_hash_; }

 private:
  Audit(int fd, WallClock clock) : fd_(fd), clock_(std::move(clock)) {}

  int fd_;
  WallClock clock_;
  std::uint64_t number_ = 0;
  std::string previous_hash_;
  std::uint64_t lost_ = 0;  // since the last line that was written
  std::uint64_t lost_in_all_ = 0;
};

struct AuditVerdict {
  std::uint64_t lines = 0;
  // The first line (from 1) that does not follow from the one before, and what is wrong with it.
  std::optional<std::uint64_t> broken_line;
  std::string what;
  std::uint64_t lost = 0;  // lines that the writer says could not be written
  std::string last_hash;
  bool known_found = false;
};
// System when the file cannot be read. A chain does not show that its end was cut off: that takes
// the hash of a line that was seen before, `known`, which must be among the lines.
Result<AuditVerdict> verify_audit(const std::string& path, std::string_view known = {});

}  // namespace sallyport::edge
