#include "adapter/h323/endpoints.h"

#include <algorithm>
#include <iterator>
#include <memory>

namespace sallyport::adapter::h323 {
namespace {

constexpr std::string_view kProtocol = "h323";

// An endpoint without any name can be called by its address all the same, and people see it.
std::string identity_of_address(const Endpoint& endpoint) {
  return "transport:" + std::to_string(endpoint.place.agent.value) + "/" +
         endpoint.signalling.to_string();
}

}  // namespace

std::vector<std::string> identities_of(const Endpoint& endpoint) {
  std::vector<std::string> out;
  for (const Alias& alias : endpoint.aliases)
    if (alias.kind != Alias::Kind::TransportId) out.push_back(identity_of(alias));
  for (const std::string& prefix : endpoint.prefixes) out.push_back(identity_of_prefix(prefix));
  if (out.empty()) out.push_back(identity_of_address(endpoint));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void Endpoints::restore(WallTime now) {
  std::unordered_map<std::string, Endpoint> found;
  for (const brain::Binding& binding : registrations_.all(now)) {
    if (binding.protocol != kProtocol) continue;
    const auto signalling = TransportAddress::parse(binding.contact);
    if (!signalling) continue;
    Endpoint& endpoint = found[binding.key];
    endpoint.id = binding.key;
    endpoint.place = binding.place;
    endpoint.signalling = *signalling;
    endpoint.ras = binding.address;
    endpoint.vendor = binding.details;
    endpoint.time_to_live = std::chrono::duration_cast<Duration>(binding.expires - now);
    if (auto prefix = prefix_of(binding.identity)) {
      endpoint.prefixes.push_back(std::move(*prefix));
    } else if (auto alias = alias_of(binding.identity)) {
      endpoint.aliases.push_back(std::move(*alias));
    }
  }
  for (auto& [id, endpoint] : found) {
    index(endpoint);
    by_id_.emplace(id, std::move(endpoint));
  }
}

const Endpoint* Endpoints::find(const std::string& id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second;
}

Endpoint* Endpoints::find(const std::string& id) {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second;
}

const Endpoint* Endpoints::find_at(Place place, const TransportAddress& signalling) const {
  const auto it = by_signalling_.find({place, signalling});
  return it == by_signalling_.end() ? nullptr : find(it->second);
}

const Endpoint* Endpoints::first_on(Place place, const IpAddress& host) const {
  const auto it = by_signalling_.lower_bound({place, TransportAddress{host, 0}});
  const bool found =
      it != by_signalling_.end() && it->first.first == place && it->first.second.ip == host;
  return found ? find(it->second) : nullptr;
}

bool Endpoints::is_host(Place place, const IpAddress& ip) const {
  return hosts_.contains({place, ip});
}

const Endpoint* Endpoints::owner(const std::string& identity) const {
  const auto it = by_identity_.find(identity);
  return it == by_identity_.end() ? nullptr : find(it->second);
}

bool Endpoints::has_longer(const std::string& digits) const {
  const auto longer = [&](const std::string& beginning) {
    const auto it = by_identity_.upper_bound(beginning);
    return it != by_identity_.end() && it->first.starts_with(beginning);
  };
  return longer(identity_of({Alias::Kind::DialedDigits, digits})) ||
         longer(identity_of_prefix(digits));
}

std::vector<const Endpoint*> Endpoints::all() const {
  std::vector<const Endpoint*> out;
  out.reserve(by_id_.size());
  for (const auto& [id, endpoint] : by_id_) out.push_back(&endpoint);
  return out;
}

void Endpoints::index(const Endpoint& endpoint) {
  by_signalling_[{endpoint.place, endpoint.signalling}] = endpoint.id;
  ++hosts_[{endpoint.place, endpoint.signalling.ip}];
  ++hosts_[{endpoint.place, endpoint.ras.ip}];
  ++count_[endpoint.place];
  for (const std::string& identity : identities_of(endpoint)) by_identity_[identity] = endpoint.id;
}

void Endpoints::unindex(const Endpoint& endpoint) {
  by_signalling_.erase({endpoint.place, endpoint.signalling});
  for (const IpAddress& ip : {endpoint.signalling.ip, endpoint.ras.ip})
    if (const auto host = hosts_.find({endpoint.place, ip}); --host->second == 0)
      hosts_.erase(host);
  if (const auto count = count_.find(endpoint.place); --count->second == 0) count_.erase(count);
  for (const std::string& identity : identities_of(endpoint))
    if (const auto it = by_identity_.find(identity);
        it != by_identity_.end() && it->second == endpoint.id)
      by_identity_.erase(it);
}

brain::Binding Endpoints::binding_of(const Endpoint& endpoint, std::string identity,
                                     WallTime now) const {
  brain::Binding out;
  out.identity = std::move(identity);
  out.key = endpoint.id;
  out.protocol = kProtocol;
  out.place = endpoint.place;
  out.contact = endpoint.signalling.to_string();
  out.transport = edge::Transport::Tcp;
  out.address = endpoint.ras;
  out.expires = now + std::chrono::duration_cast<WallTime::duration>(endpoint.time_to_live);
  out.details = endpoint.vendor;
  return out;
}

// One update for each name. Whatever of them fails, all are asked, and the answer is told once.
void Endpoints::store(const Endpoint& endpoint, const std::vector<std::string>& gone, WallTime now,
                      const OnDone& on_done) {
  struct Progress {
    std::size_t open = 1;
    Result<void> result;
  };
  const auto progress = std::make_shared<Progress>();
  const auto done = [progress, on_done](const Result<void>& result) {
    if (!result) progress->result = result;
    if (--progress->open == 0) on_done(progress->result);
  };
  for (const std::string& identity : gone) {
    ++progress->open;
    registrations_.update({.identity = identity, .remove = {endpoint.id}, .put = {}}, now, done);
  }
  for (const std::string& identity : identities_of(endpoint)) {
    if (std::find(gone.begin(), gone.end(), identity) != gone.end()) continue;
    brain::RegistrationUpdate update{.identity = identity, .remove = {}, .put = {}};
    update.put.push_back(binding_of(endpoint, identity, now));
    ++progress->open;
    registrations_.update(update, now, done);
  }
  done({});
}

void Endpoints::put(Endpoint endpoint, WallTime now, const OnDone& on_done) {
  const Endpoint* before = find(endpoint.id);
  const auto count = count_.find(endpoint.place);
  const std::size_t here = count == count_.end() ? 0 : count->second;
  if (endpoint.aliases.size() + endpoint.prefixes.size() > config_.max_aliases)
    return on_done(fail(Errc::Exhausted, "too many aliases"));
  if (before == nullptr &&
      (by_id_.size() >= config_.max_endpoints || here >= config_.max_endpoints_per_agent))
    return on_done(fail(Errc::Exhausted, "too many endpoints"));
  std::vector<std::string> gone;
  if (before != nullptr) {
    const std::vector<std::string> old = identities_of(*before);
    const std::vector<std::string> now_ours = identities_of(endpoint);
    std::set_difference(old.begin(), old.end(), now_ours.begin(), now_ours.end(),
                        std::back_inserter(gone));
  }
  store(endpoint, gone, now, [this, endpoint, now, on_done](const Result<void>& stored) {
    const auto known = by_id_.find(endpoint.id);
    if (!stored) {
      // All of its names or none.
      if (known != by_id_.end()) unindex(known->second);
      for (const std::string& identity : identities_of(endpoint))
        registrations_.update({.identity = identity, .remove = {endpoint.id}, .put = {}}, now,
                              [](const Result<void>&) {});
      if (known != by_id_.end()) by_id_.erase(known);
      return on_done(stored);
    }
    if (known != by_id_.end()) unindex(known->second);
    by_id_[endpoint.id] = endpoint;
    index(endpoint);
    on_done({});
  });
}

void Endpoints::refresh(const std::string& id, WallTime now) {
  const Endpoint* endpoint = find(id);
  if (endpoint != nullptr) store(*endpoint, {}, now, [](const Result<void>&) {});
}

void Endpoints::remove(const std::string& id, WallTime now) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  const Endpoint endpoint = std::move(it->second);
  by_id_.erase(it);
  unindex(endpoint);
  for (const std::string& identity : identities_of(endpoint))
    registrations_.update({.identity = identity, .remove = {id}, .put = {}}, now,
                          [](const Result<void>&) {});
}

}  // namespace sallyport::adapter::h323
