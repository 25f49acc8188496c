// A log that a test can read. Tests only.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"

namespace sallyport {

class TestLog final : public Log {
 public:
  TestLog() : Log(Level::Debug) {}
  std::vector<std::string> lines;  // whole JSON objects

 private:
  void write(Level /*level*/, const std::string& line) override { lines.push_back(line); }
};

}  // namespace sallyport
