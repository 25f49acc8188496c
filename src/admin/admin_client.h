// Asks a running server or agent, through its Unix socket, to do something, and waits for the
// answer. Blocking; used by the commands of the `sallyport` program, one request for each run.
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/value.hpp>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace sallyport::admin {

enum class Outcome : std::uint8_t {
  Done,
  Refused,     // it answered, and says no
  NotRunning,  // nobody listens at the socket
  Forbidden,   // the socket is not ours to open
  Broken,      // it did not answer, or not in a way that can be understood
};

struct Answer {
  Outcome outcome = Outcome::Broken;
  boost::json::value result;  // Done
  std::string code;           // Refused: "not_found"
  std::string what;           // for people, when it is not Done
};

Answer ask(const std::string& socket_path, const std::string& command,
           const boost::json::object& arguments, Duration patience = seconds{30});

}  // namespace sallyport::admin
