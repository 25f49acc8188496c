#include "enrolment/join_message.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/hex.h"

namespace sallyport::enrolment {
namespace {

namespace json = boost::json;

constexpr std::pair<JoinRefusal, std::string_view> kRefusals[] = {
    {JoinRefusal::Malformed, "malformed"},
    {JoinRefusal::BadToken, "bad_token"},
    {JoinRefusal::Used, "used"},
    {JoinRefusal::Expired, "expired"},
    {JoinRefusal::Overloaded, "overloaded"},
    {JoinRefusal::Internal, "internal"},
};

// A flat object: deeper nesting than this has no business here.
Result<json::object> parse_object(std::string_view line) {
  if (line.size() > kMaxLine) return fail(Errc::Exhausted, "the line is too long");
  json::parse_options options;
  options.max_depth = 4;
  json::error_code error;
  json::value value = json::parse(line, error, {}, options);
  if (error || !value.is_object()) return fail(Errc::BadValue, "not a JSON object");
  return std::move(value.as_object());
}

std::string string_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return std::string{value->get_string()};
}

}  // namespace

std::string_view name(JoinRefusal refusal) {
  for (const auto& [code, text] : kRefusals)
    if (code == refusal) return text;
  return "malformed";
}

std::string encode(const JoinRequest& request) {
  const json::object object{{"secret", to_hex(request.secret)},
                            {"request", request.signing_request},
                            {"software", request.software}};
  return json::serialize(object) + "\n";
}

std::string encode(const JoinReply& reply) {
  json::object object;
  if (const auto* refused = std::get_if<Refused>(&reply)) {
    object["refused"] = name(refused->code);
    object["what"] = refused->what;
  } else {
    const Joined& joined = std::get<Joined>(reply);
    json::array servers;
    for (const HostPort& server : joined.site.servers) servers.emplace_back(server.to_string());
    object["agent"] = joined.id.value;
    object["name"] = joined.name;
    object["certificate"] = joined.certificate;
    object["servers"] = std::move(servers);
    object["x"] = joined.site.x;
    object["y"] = joined.site.y;
  }
  return json::serialize(object) + "\n";
}

Result<JoinRequest> parse_join_request(std::string_view line) {
  const auto object = parse_object(line);
  if (!object) return tl::make_unexpected(object.error());
  JoinRequest out;
  const auto secret = from_hex(string_at(*object, "secret"));
  if (!secret || secret->size() != out.secret.size())
    return fail(Errc::BadValue, "secret: not 32 hexadecimal digits");
  std::copy(secret->begin(), secret->end(), out.secret.begin());
  out.signing_request = string_at(*object, "request");
  if (out.signing_request.empty()) return fail(Errc::BadValue, "request: missing");
  out.software = string_at(*object, "software").substr(0, 64);
  return out;
}

Result<JoinReply> parse_join_reply(std::string_view line) {
  const auto object = parse_object(line);
  if (!object) return tl::make_unexpected(object.error());
  if (object->contains("refused")) {
    const std::string code = string_at(*object, "refused");
    Refused refused{JoinRefusal::Internal, string_at(*object, "what")};
    for (const auto& [value, text] : kRefusals)
      if (text == code) refused.code = value;
    return refused;
  }
  Joined joined;
  joined.name = string_at(*object, "name");
  joined.certificate = string_at(*object, "certificate");
  const json::value* id = object->if_contains("agent");
  json::error_code error;
  if (id != nullptr) joined.id.value = id->to_number<std::uint32_t>(error);
  if (error || !joined.id || joined.name.empty() || joined.certificate.empty())
    return fail(Errc::BadValue, "agent, name or certificate: missing");
  for (const auto& [key, port] : {std::pair{"x", &joined.site.x}, {"y", &joined.site.y}}) {
    if (const json::value* value = object->if_contains(key))
      *port = value->to_number<std::uint16_t>(error);
    if (error || *port == 0) return fail(Errc::BadValue, "x or y: not a port");
  }
  const json::value* servers = object->if_contains("servers");
  if (servers != nullptr && servers->is_array()) {
    for (const json::value& each : servers->get_array()) {
      if (!each.is_string()) return fail(Errc::BadValue, "servers: not strings");
      const auto server = HostPort::parse(each.get_string());
      if (!server || joined.site.servers.size() == kMaxServers)
        return fail(Errc::BadValue, "servers: not addresses, or too many");
      joined.site.servers.push_back(*server);
    }
  }
  return joined;
}

}  // namespace sallyport::enrolment
