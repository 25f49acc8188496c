// An H.323 endpoint for tests: registers, calls and is called, sends media that say who speaks and
// checks those that it hears, with every choice that the Recommendations leave open in its
// settings. Written on the codec and on net::Network alone, so it runs over real sockets (main.cc)
// and in the simulated world (tests/sim), and knows nothing of the adapter.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "h323_endpoint/call.h"
#include "h323_endpoint/ras_client.h"
#include "h323_endpoint/settings.h"
#include "net/network.h"

namespace sallyport::h323_endpoint {

class Endpoint final : public CallHost {
 public:
  // `call` is 0 for what belongs to none.
  using OnEvent =
      std::function<void(std::uint64_t call, const std::string& what, const std::string& detail)>;

  Endpoint(net::Network& network, const IpAddress& own, Settings settings, Random& random,
           OnEvent on_event = {});
  ~Endpoint() override;

  void start();  // listens, and registers if it has a gatekeeper
  // `whom`: "5551234", "bob", "h323:bob@example.org"; with `address` without asking anybody.
  Call& dial(const std::string& whom, const std::optional<TransportAddress>& address = {});

  bool registered() const { return ras_.registered(); }
  RasClient& ras() { return ras_; }
  Settings& choices() { return settings_; }  // for calls to come
  const std::vector<std::unique_ptr<Call>>& calls() const { return calls_; }
  Call* last_call() { return calls_.empty() ? nullptr : calls_.back().get(); }
  Call* find(std::uint64_t id);
  // Drops calls that are over.
  void forget_ended();
  std::vector<std::string> complaints() const;
  TransportAddress address() const { return {own_, settings_.call_port}; }

 private:
  net::Network& network() override { return network_; }
  const Settings& settings() const override { return settings_; }
  Random& random() override { return random_; }
  const IpAddress& own() const override { return own_; }
  std::uint16_t& next_port() override { return next_port_; }
  void admit(Call& call, std::function<void(const Admission&)> on_answer) override;
  void disengage(Call& call) override;
  void on_event(Call& call, const std::string& what, const std::string& detail) override;

  net::Network& network_;
  IpAddress own_;
  Settings settings_;
  Random& random_;
  OnEvent on_event_;
  std::uint16_t next_port_;
  std::uint64_t next_id_ = 1;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<std::string> complaints_;
  RasClient ras_;
};

}  // namespace sallyport::h323_endpoint
