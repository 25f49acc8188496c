#include "agent/identity.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/file.h"
#include "base/hex.h"

namespace sallyport::agent {
namespace {

namespace json = boost::json;

std::string string_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return std::string{value->get_string()};
}

}  // namespace

std::string identity_file(const std::string& state_dir) { return state_dir + "/agent.json"; }

Result<Identity> load_identity(const std::string& state_dir) {
  const auto text = read_file(identity_file(state_dir));
  if (!text) return tl::make_unexpected(text.error());
  const auto damaged = [] { return fail(Errc::BadValue, "the agent's identity file is damaged"); };
  json::error_code error;
  const json::value value = json::parse(*text, error);
  if (error || !value.is_object()) return damaged();
  const json::object& object = value.get_object();

  auto key = net::PrivateKey::from_pem(string_at(object, "key"));
  auto certificate = net::Certificate::from_pem(string_at(object, "certificate"));
  const auto pin = from_hex(string_at(object, "server_key"));
  const json::value* id = object.if_contains("agent");
  if (!key || !certificate || certificate->pin() != key->pin() || !pin || id == nullptr)
    return damaged();
  Identity out{AgentId{id->to_number<std::uint32_t>(error)},
               string_at(object, "name"),
               {},
               {},
               std::move(*key),
               std::move(*certificate)};
  if (error || !out.id || pin->size() != out.pin.size()) return damaged();
  std::copy(pin->begin(), pin->end(), out.pin.begin());
  for (const auto& [name, port] : {std::pair{"x", &out.site.x}, {"y", &out.site.y}}) {
    const json::value* port_value = object.if_contains(name);
    if (port_value == nullptr) return damaged();
    *port = port_value->to_number<std::uint16_t>(error);
    if (error) return damaged();
  }
  const json::value* servers = object.if_contains("servers");
  if (servers == nullptr || !servers->is_array()) return damaged();
  for (const json::value& each : servers->get_array()) {
    const auto server = HostPort::parse(each.is_string() ? each.get_string().c_str() : "");
    if (!server) return damaged();
    out.site.servers.push_back(*server);
  }
  return out;
}

Result<void> try_saving(const std::string& state_dir) {
  if (const auto made = make_folder(state_dir); !made) return made;
  // As much as an identity with the longest list of servers takes, and its certificate, and more.
  constexpr std::size_t kRoom = std::size_t{32} << 10U;
  const std::string file = identity_file(state_dir) + ".trial";
  const auto written = write_file(file, std::string(kRoom, ' '), 0600);
  (void)std::remove(file.c_str());
  return written;
}

Result<void> save_identity(const std::string& state_dir, const Identity& identity) {
  if (const auto made = make_folder(state_dir); !made) return made;
  json::array servers;
  for (const HostPort& server : identity.site.servers) servers.emplace_back(server.to_string());
  const json::object object{{"agent", identity.id.value},
                            {"name", identity.name},
                            {"servers", std::move(servers)},
                            {"x", identity.site.x},
                            {"y", identity.site.y},
                            {"server_key", to_hex(identity.pin)},
                            {"certificate", identity.certificate.to_pem()},
                            {"key", identity.key.to_pem()}};
  return write_file(identity_file(state_dir), json::serialize(object) + "\n", 0600);
}

Result<Identity> make_identity(const enrolment::Joined& joined, const net::SpkiPin& pin,
                               net::PrivateKey key) {
  auto certificate = net::Certificate::from_pem(joined.certificate);
  if (!certificate) return tl::make_unexpected(certificate.error());
  if (certificate->pin() != key.pin())
    return fail(Errc::BadValue, "the server's certificate is not for this agent's key");
  return Identity{joined.id, joined.name,    joined.site,
                  pin,       std::move(key), std::move(*certificate)};
}

WallTime renewal_due(const Identity& identity) {
  const net::Validity validity = identity.certificate.validity();
  return validity.not_before + (validity.not_after - validity.not_before) * 2 / 3;
}

Result<Renewal> begin_renewal(const Identity& identity) {
  net::PrivateKey key = net::PrivateKey::generate();
  auto request = net::make_signing_request(key, identity.name);
  if (!request) return tl::make_unexpected(request.error());
  return Renewal{std::move(key), std::move(*request)};
}

Result<void> finish_renewal(const std::string& state_dir, Identity& identity,
                            const Renewal& renewal, std::string_view certificate) {
  auto fresh = net::Certificate::from_pem(certificate);
  if (!fresh) return tl::make_unexpected(fresh.error());
  if (fresh->pin() != renewal.key.pin())
    return fail(Errc::BadValue, "the new certificate is not for the new key");
  Identity renewed = identity;
  renewed.key = renewal.key;
  renewed.certificate = std::move(*fresh);
  if (const auto saved = save_identity(state_dir, renewed); !saved) return saved;
  identity = std::move(renewed);
  return {};
}

}  // namespace sallyport::agent
