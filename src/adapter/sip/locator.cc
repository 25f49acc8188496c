#include "adapter/sip/locator.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "adapter/sip/transport.h"
#include "codec/sip/uri.h"

namespace sallyport::adapter::sip {
namespace {

constexpr std::size_t kMaxQuestions = 24;  // a name server's answer must not keep us asking
constexpr std::size_t kMaxHops = 8;

std::uint16_t default_port(edge::Transport transport) {
  return transport == edge::Transport::Tls ? 5061 : 5060;
}

std::optional<edge::Transport> transport_of(std::string_view text) {
  const auto is = [text](std::string_view other) {
    return std::equal(text.begin(), text.end(), other.begin(), other.end(),
                      [](char a, char b) { return (a | 0x20) == b; });
  };
  if (is("udp")) return edge::Transport::Udp;
  if (is("tcp")) return edge::Transport::Tcp;
  if (is("tls")) return edge::Transport::Tls;
  return std::nullopt;
}

// RFC 3263 4.1: the services that we can use.
std::optional<edge::Transport> transport_of_service(std::string_view service) {
  if (service == "SIP+D2U") return edge::Transport::Udp;
  if (service == "SIP+D2T") return edge::Transport::Tcp;
  if (service == "SIPS+D2T") return edge::Transport::Tls;
  return std::nullopt;
}

// A Route value's URI. Bare URIs must not be read so: the parameters behind one without angle
// brackets would be taken for the header's (RFC 3261 20.10), and its transport be lost.
std::string uri_of_route(const std::string& value) {
  const auto address = wire::NameAddr::parse(value);
  return address ? std::string(address->uri.text) : std::string{};
}

std::string srv_name(edge::Transport transport, const std::string& host) {
  switch (transport) {
    case edge::Transport::Tcp:
      return "_sip._tcp." + host;
    case edge::Transport::Tls:
      return "_sips._tcp." + host;
    case edge::Transport::Udp:
      break;
  }
  return "_sip._udp." + host;
}

struct Question {
  std::string name;
  edge::RecordType type = edge::RecordType::Address;
  edge::Transport transport = edge::Transport::Udp;
  std::uint16_t port = 0;
};

}  // namespace

struct Locator::Search {
  Place place;
  std::deque<std::string> uris;  // still to be located
  // Of the URI that is being located.
  std::string host;                          // empty: it names an address
  std::optional<edge::Transport> transport;  // asked for by the URI
  bool asked_address = false;
  std::size_t found_before = 0;    // hops of the URIs before it
  std::deque<Question> questions;  // the first one is open
  std::size_t asked = 0;
  std::vector<Hop> hops;
  std::size_t next_local = 0;
  OnHops on_hops;
};

void Locator::locate(const Target& target, Commands& out, OnHops on_hops) {
  const auto search = std::make_shared<Search>();
  search->place = target.place;
  search->on_hops = std::move(on_hops);
  if (out.edge(target.place) == nullptr) return search->on_hops({}, out);
  // A connection that is gone came from a port where nobody listens; the contact may say better.
  const bool gone = target.hop && is_reliable(target.hop->transport) && target.hop->connection &&
                    !transport_.is_open(target.hop->connection);
  if (target.hop && !gone) {
    search->hops = {*target.hop};
    return find_locals(search, out);
  }
  search->uris.assign(target.next_hops.begin(), target.next_hops.end());
  if (search->uris.empty())
    search->uris.push_back(target.route.empty() ? target.uri : uri_of_route(target.route.front()));
  step(search, out);
}

// RFC 3263 section 4: what is asked first.
void Locator::begin(Search& search, const std::string& text) const {
  search.host.clear();
  const auto uri = wire::Uri::parse(text);
  if (!uri || !uri->is_sip() || uri->host.empty()) return;
  search.transport = transport_of(uri->parameters.find("transport").value_or(""));
  if (uri->is_sips()) search.transport = edge::Transport::Tls;
  const edge::Transport transport = search.transport.value_or(edge::Transport::Udp);
  const std::uint16_t port = uri->port != 0 ? uri->port : default_port(transport);
  if (const auto ip = IpAddress::parse(uri->host)) {
    // RFC 5922 7.1: then the certificate names the address.
    search.hops.push_back({.place = search.place,
                           .transport = transport,
                           .remote = {*ip, port},
                           .server_name = ip->to_string()});
    return;
  }
  search.host = uri->host;
  search.found_before = search.hops.size();
  search.asked_address = uri->port != 0;
  if (search.asked_address) {
    search.questions.push_back({search.host, edge::RecordType::Address, transport, port});
  } else if (search.transport) {
    add_services(search);
  } else {
    search.questions.push_back({search.host, edge::RecordType::Naptr});
  }
}

void Locator::add_services(Search& search) const {
  using edge::Transport;
  for (const Transport transport : {Transport::Udp, Transport::Tcp, Transport::Tls}) {
    // Without NAPTR and without a wish TLS is not tried: RFC 3263 4.1 asks for SRV of what is
    // known.
    const bool wanted =
        search.transport ? *search.transport == transport : transport != Transport::Tls;
    if (wanted)
      search.questions.push_back(
          {srv_name(transport, search.host), edge::RecordType::Srv, transport});
  }
}

void Locator::step(const SearchPtr& search, Commands& out) {
  edge::Edge* edge = out.edge(search->place);
  const bool nothing_found = search->hops.size() == search->found_before;
  if (search->questions.empty() && nothing_found && !search->host.empty() &&
      !std::exchange(search->asked_address, true)) {
    // RFC 3263 4.2: no SRV records, so the name itself at the default port.
    const edge::Transport transport = search->transport.value_or(edge::Transport::Udp);
    search->questions.push_back(
        {search->host, edge::RecordType::Address, transport, default_port(transport)});
  }
  while (search->questions.empty() && !search->uris.empty()) {
    begin(*search, search->uris.front());
    search->uris.pop_front();
  }
  const bool enough = search->asked >= kMaxQuestions || search->hops.size() >= kMaxHops;
  if (search->questions.empty() || enough || edge == nullptr) return find_locals(search, out);
  ++search->asked;
  const edge::QueryId id{out.new_id()};
  searches_[id.value] = search;
  edge->resolve(id, search->questions.front().name, search->questions.front().type);
}

Locator::SearchPtr Locator::take(std::uint64_t id) {
  const auto node = searches_.extract(id);
  return node.empty() ? nullptr : node.mapped();
}

bool Locator::on_resolved(Place /*place*/, edge::QueryId id,
                          const std::vector<edge::Record>& records, Commands& out) {
  const SearchPtr search = take(id.value);
  if (!search) return false;
  switch (search->questions.front().type) {
    case edge::RecordType::Naptr:
      on_naptr(*search, records);
      break;
    case edge::RecordType::Srv:
      on_srv(*search, records);
      break;
    case edge::RecordType::Address:
      on_addresses(*search, records);
      break;
  }
  step(search, out);
  return true;
}

void Locator::on_naptr(Search& search, std::vector<edge::Record> records) const {
  search.questions.pop_front();
  std::stable_sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
    return std::pair(a.priority, a.weight) < std::pair(b.priority, b.weight);
  });
  for (const edge::Record& record : records) {
    const auto transport = transport_of_service(record.service);
    const bool srv = record.flags == "s" || record.flags == "S";
    if (!transport || !srv || record.target.empty()) continue;
    if (!transport_.listens(search.place, *transport, false) &&
        !transport_.listens(search.place, *transport, true))
      continue;
    search.questions.push_back({record.target, edge::RecordType::Srv, *transport});
  }
  if (search.questions.empty()) add_services(search);
}

void Locator::on_srv(Search& search, const std::vector<edge::Record>& records) const {
  const Question asked = search.questions.front();
  search.questions.pop_front();
  // RFC 2782: by priority; within one, drawn by weight: each draws a key that favours heavy ones.
  std::vector<std::pair<std::pair<std::uint16_t, std::uint64_t>, edge::Record>> drawn;
  for (const edge::Record& record : records) {
    if (record.type != edge::RecordType::Srv || record.target.empty() || record.target == ".")
      continue;
    const std::uint64_t key = random_.below(1U << 20U) / (std::uint64_t{record.weight} + 1);
    drawn.push_back({{record.priority, key}, record});
  }
  std::stable_sort(drawn.begin(), drawn.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  // Before the other services: their order stands.
  for (auto it = drawn.rbegin(); it != drawn.rend(); ++it)
    search.questions.push_front(
        {it->second.target, edge::RecordType::Address, asked.transport, it->second.port});
}

void Locator::on_addresses(Search& search, const std::vector<edge::Record>& records) const {
  const Question asked = search.questions.front();
  search.questions.pop_front();
  for (const edge::Record& record : records) {
    if (record.type != edge::RecordType::Address || search.hops.size() >= kMaxHops) continue;
    if (asked.transport == edge::Transport::Udp &&
        !transport_.listens(search.place, asked.transport, record.address.is_v6()))
      continue;
    // RFC 5922: the certificate names the domain that was asked for, not the SRV target.
    search.hops.push_back({.place = search.place,
                           .transport = asked.transport,
                           .remote = {record.address, asked.port},
                           .server_name = search.host});
  }
}

void Locator::find_locals(const SearchPtr& search, Commands& out) {
  edge::Edge* edge = out.edge(search->place);
  for (; search->next_local < search->hops.size(); ++search->next_local) {
    Hop& hop = search->hops[search->next_local];
    if (!hop.local.ip.is_unspecified()) continue;
    if (const auto learnt = transport_.learnt_local(search->place, hop.remote.ip)) {
      hop.local.ip = *learnt;
    } else if (transport_.shown_address(hop).ip.is_unspecified() && edge != nullptr) {
      const edge::QueryId id{out.new_id()};
      searches_[id.value] = search;
      return edge->find_local_address(id, hop.remote.ip);
    }
  }
  search->on_hops(std::move(search->hops), out);
}

bool Locator::on_local_address(Place /*place*/, edge::QueryId id, const IpAddress& local,
                               Commands& out) {
  const SearchPtr search = take(id.value);
  if (!search) return false;
  search->hops[search->next_local++].local.ip = local;
  find_locals(search, out);
  return true;
}

bool Locator::on_refused(std::uint64_t id, Commands& out) {
  const SearchPtr search = take(id);
  if (!search) return false;
  if (search->questions.empty()) {
    // No way to that address: the hop is no use.
    search->hops.erase(search->hops.begin() + static_cast<std::ptrdiff_t>(search->next_local));
    find_locals(search, out);
    return true;
  }
  search->questions.pop_front();
  step(search, out);
  return true;
}

void Locator::on_edge_lost(Place place, Commands& out) {
  std::vector<SearchPtr> lost;
  for (auto it = searches_.begin(); it != searches_.end();) {
    if (it->second->place == place) {
      lost.push_back(it->second);
      it = searches_.erase(it);
    } else {
      ++it;
    }
  }
  for (const SearchPtr& search : lost) search->on_hops({}, out);
}

}  // namespace sallyport::adapter::sip
