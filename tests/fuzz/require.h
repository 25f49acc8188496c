// What a fuzz target claims: unlike assert, it holds in every build.
#pragma once

#include <cstdio>
#include <cstdlib>

#define SALLYPORT_REQUIRE(condition)                                                      \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)
