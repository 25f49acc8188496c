// The two kinds of transaction as state, for the files that implement Transactions only.
#pragma once

#include <optional>
#include <string>

#include "adapter/sip/transactions.h"

namespace sallyport::adapter::sip {

struct Transactions::Server {
  // RFC 3261 figures 7 and 8, RFC 6026 figure 1.
  enum class State : std::uint8_t { Proceeding, Accepted, Completed, Confirmed };
  ServerId id;
  std::string key;
  State state = State::Proceeding;
  wire::Method method = wire::Method::Other;
  std::optional<wire::Message> request;  // until the final response
  Hop from;
  Hop back;  // where responses go
  std::string last_response;
  Claimant claimant;       // who is held to account for
  std::size_t octets = 0;  // these
  TimerId repeat_timer;    // G
  TimerId end_timer;       // H, I, J, L
};

struct Transactions::Client {
  // RFC 3261 figures 5 and 6, RFC 6026 figure 3. Calling is Trying for what is no INVITE.
  enum class State : std::uint8_t { Calling, Proceeding, Accepted, Completed };
  ClientId id;
  std::string branch_key;
  State state = State::Calling;
  wire::Method method = wire::Method::Other;
  Hop to;
  std::string sent;  // with our Via
  std::string ack;   // for a non-2xx final response, to be repeated
  ResponseHandler handler;
  bool cancel_wanted = false;
  bool cancel_sent = false;
  std::string cancel_reason;
  TimerId repeat_timer;  // A, E
  TimerId end_timer;     // B, D, F, K, M
};

}  // namespace sallyport::adapter::sip
