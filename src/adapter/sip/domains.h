// Which domain a terminal means: our own ones, those that are relayed, and every address of ours
// (the agent's as its terminals see it, the server's as the world does), which stands for the
// default domain. Brain's thread.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "adapter/sip/hop.h"
#include "adapter/sip/registration_config.h"

namespace sallyport::adapter::sip {

class Domains {
 public:
  // Is this an address of ours at that place?
  using IsOwnAddress = std::function<bool(Place, const IpAddress&)>;

  explicit Domains(const RegistrationConfig& config);

  void set_own_address_check(IsOwnAddress check) { is_own_address_ = std::move(check); }
  void on_edge_up(Place place) { places_.insert(place); }
  void on_edge_lost(Place place) { places_.erase(place); }

  // The domain that this host (of a URI, without port, any case) means at that place: in lower
  // case, one of ours or one that is relayed. Nothing for a foreign one.
  std::optional<std::string> find(std::string_view host, Place place) const;
  // Where `domain` (as find() gives it) is relayed to; null if it is our own.
  const RelayDomain* relay(std::string_view domain) const;
  bool is_address(std::string_view host, Place place) const;
  // A name or an address of ours, wherever it is used.
  bool is_ours(std::string_view host) const;

 private:
  const RegistrationConfig& config_;
  std::set<std::string, std::less<>> own_;
  std::string default_;
  std::set<Place> places_{Place::outside()};
  IsOwnAddress is_own_address_;
};

std::string lower_case(std::string_view text);

// Where an upstream is found: "sip:pbx.example.net:5060;transport=tcp".
std::string uri_of(const brain::Upstream& upstream);

}  // namespace sallyport::adapter::sip
