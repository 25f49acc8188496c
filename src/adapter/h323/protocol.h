// Which H.225.0 and H.245 we speak in what we say ourselves; what others say keeps its own.
#pragma once

#include <array>
#include <cstdint>

namespace sallyport::adapter::h323 {

// {itu-t(0) recommendation(0) h(8) 2250 version(0) 4}, as X.690 8.19 has it.
constexpr std::array<std::uint8_t, 6> kH225Version = {0x00, 0x08, 0x91, 0x4a, 0x00, 0x04};

}  // namespace sallyport::adapter::h323
