// Holds what comes to a rate, with a burst. Whoever counts owns one; one thread.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace sallyport {

class TokenBucket {
 public:
  // Takes one; false if none is left. It fills at `a_second` up to `most`, and is full at first.
  bool take(double a_second, double most, TimePoint now) {
    const std::chrono::duration<double> passed = now - last_;
    last_ = now;
    used_ = std::max(0.0, used_ - passed.count() * a_second);
    if (used_ + 1 > most) return false;
    used_ += 1;
    return true;
  }

 private:
  double used_ = 0;
  TimePoint last_{};
};

}  // namespace sallyport
