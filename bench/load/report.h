// What a run of the generator came to, as the members of a JSON object that script/bench reads.
#pragma once

#include <string>

#include "load/cpu_meter.h"
#include "load/generator.h"

namespace sallyport::bench {

std::string report(std::string_view relay, std::size_t calls, const Figures& figures,
                   const CpuTime& cpu, std::chrono::milliseconds measured);

}  // namespace sallyport::bench
