// The program's place at one interface: a tcx link where the kernel has it (6.6), which ends with
// the process, else a filter below the interface's clsact qdisc, which does not. Used by
// kernel_relay.cc.
#pragma once

#include "base/result.h"
#include "net/fd.h"

namespace sallyport::fastpath {

class Attachment {
 public:
  static Result<Attachment> attach(int program, unsigned device, bool tcx);
  Attachment(Attachment&& other) noexcept;
  Attachment& operator=(Attachment&&) = delete;
  ~Attachment();

 private:
  Attachment(unsigned device, net::Fd link) : device_(device), link_(std::move(link)) {}

  unsigned device_;  // 0: moved from
  net::Fd link_;     // none: clsact
};

// Removes the filters of processes that are gone, from all interfaces.
void remove_leftovers();

}  // namespace sallyport::fastpath
