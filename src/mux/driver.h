// Runs one Multiplex on a net::Network: TLS streams become its links, its deadlines a timer, its
// wakes posted work. Owned by the agent's Dialler and the server's Acceptor, on the network's
// thread. Not to be destroyed from inside `after`.
#pragma once

#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "mux/multiplex.h"
#include "net/network.h"

namespace sallyport::mux {

class Driver {
 public:
  // `after` is called after every event that may have changed the session's state. Network and
  // Random outlive the driver.
  Driver(net::Network& network, Multiplex::Role role, const Multiplex::Settings& settings,
         Random& random, std::function<void()> after);
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  ~Driver();

  Multiplex& multiplex() { return multiplex_; }
  const Multiplex& multiplex() const { return multiplex_; }

  // A stream on which hello and hello-accept have passed; `rest` is what was read behind them.
  Result<void> attach(std::unique_ptr<net::Stream> stream, const Hello& hello,
                      const HelloAccept& accept, Bytes rest);
  // A stream on which hello was read; hello-accept is sent.
  Result<void> accept(std::unique_ptr<net::Stream> stream, const Hello& hello, Bytes rest);
  void end(CloseCode code, const Error& why);
  void probe();

 private:
  std::unique_ptr<Link> make_link(std::unique_ptr<net::Stream> stream, std::uint64_t number);
  void settle();

  net::Network& network_;
  std::function<void()> after_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for work that was posted
  std::unique_ptr<net::Timer> timer_;
  Multiplex multiplex_;
};

// The key that binds hello's proof to this TLS connection; Errc::System if it cannot be exported.
Result<ExporterKey> resume_exporter(const net::Stream& stream);

}  // namespace sallyport::mux
