// In a build without clang, bpftool or libbpf.
#include "fastpath/kernel_relay.h"

namespace sallyport::fastpath {

Result<std::unique_ptr<KernelRelay>> KernelRelay::open(const Options& /*options*/) {
  return fail(Errc::Unsupported, "not built in");
}

}  // namespace sallyport::fastpath
