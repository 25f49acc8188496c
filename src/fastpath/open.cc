#include "fastpath/open.h"

namespace sallyport::fastpath {

std::unique_ptr<KernelRelay> open(Mode mode, std::size_t places, Log& log) {
  if (mode == Mode::Off) return nullptr;
  auto relay = KernelRelay::open({.places = places});
  if (relay) {
    log.info("the kernel relays established media", {{"fast_path", "ebpf"}});
    return std::move(*relay);
  }
  log.event(mode == Mode::Ebpf ? Level::Warning : Level::Info,
            "user space relays all media: the kernel's fast path is not to be had",
            {{"why", relay.error().what}});
  return nullptr;
}

}  // namespace sallyport::fastpath
