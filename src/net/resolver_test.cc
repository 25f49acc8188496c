#include "net/resolver.h"

#include <algorithm>
#include <map>

#include "net/testing.h"

namespace sallyport::net {
namespace {

constexpr std::uint16_t kA = 1;
constexpr std::uint16_t kAaaa = 28;
constexpr std::uint16_t kSrv = 33;
constexpr std::uint16_t kNaptr = 35;

void write_name(Buffer& out, const std::string& name) {
  std::size_t from = 0;
  while (from < name.size()) {
    const std::size_t dot = std::min(name.find('.', from), name.size());
    Writer{out}.u8(static_cast<std::uint8_t>(dot - from));
    Writer{out}.bytes(as_bytes(name).subspan(from, dot - from));
    from = dot + 1;
  }
  out.push_back(0);
}

void write_text(Buffer& out, const std::string& text) {
  Writer{out}.u8(static_cast<std::uint8_t>(text.size())).bytes(as_bytes(text));
}

// A name server of a few records (RFC 1035 section 4): answers with them, or that there is no such
// name.
class NameServer {
 public:
  explicit NameServer(HostNetwork& network) {
    socket_ = std::move(*network.open_datagrams(
        kAnyPort, {}, [this](const TransportAddress& from, const IpAddress&, Bytes query) {
          ++asked;
          if (!silent) socket_->send({}, from, answer(query));
        }));
  }
  std::string address() const { return socket_->local().to_string(); }
  void add(const std::string& name, std::uint16_t type, const Buffer& data) {
    records_.emplace(std::pair{name, type}, data);
  }

  int asked = 0;
  bool silent = false;

 private:
  Buffer answer(Bytes query) const {
    Reader in{query};
    const std::uint16_t id = in.u16();
    in.skip(10);
    std::string name;
    for (std::uint8_t length = in.u8(); length != 0 && in.ok(); length = in.u8())
      name += (name.empty() ? "" : ".") + std::string{as_text(in.take(length))};
    const std::uint16_t type = in.u16();
    in.skip(2);
    const Bytes question = query.subspan(12, in.offset() - 12);

    const auto [first, last] = records_.equal_range({name, type});
    const auto known = std::any_of(records_.begin(), records_.end(),
                                   [&](const auto& one) { return one.first.first == name; });
    Buffer out;
    Writer{out}.u16(id).u16(known ? 0x8180 : 0x8183).u16(1);
    Writer{out}.u16(static_cast<std::uint16_t>(std::distance(first, last))).u16(0).u16(0);
    Writer{out}.bytes(question);
    for (auto it = first; it != last; ++it) {
      Writer{out}.u16(0xc00c).u16(type).u16(1).u32(60);
      Writer{out}.u16(static_cast<std::uint16_t>(it->second.size())).bytes(it->second);
    }
    return out;
  }

  std::unique_ptr<DatagramSocket> socket_;
  std::multimap<std::pair<std::string, std::uint16_t>, Buffer> records_;
};

class ResolverTest : public ::testing::Test {
 protected:
  std::vector<DnsRecord> resolve(const std::string& name, DnsType type) {
    std::optional<std::vector<DnsRecord>> found;
    HostNetworkOptions options;
    options.dns_servers = server_.address();
    if (!asking_) asking_ = std::make_unique<HostNetwork>(options);
    asking_->resolve(name, type,
                     [&](std::vector<DnsRecord> records) { found = std::move(records); });
    EXPECT_FALSE(found) << "answered from within the call";
    const TimePoint limit = Clock::now() + std::chrono::seconds{20};
    while (!found && Clock::now() < limit) {
      asking_->run_one(std::chrono::milliseconds{1});
      network_.run_one(std::chrono::milliseconds{1});
    }
    EXPECT_TRUE(found);
    return found.value_or(std::vector<DnsRecord>{});
  }

  HostNetwork network_;
  NameServer server_{network_};
  std::unique_ptr<HostNetwork> asking_;
};

TEST_F(ResolverTest, HostsFileIsHonoured) {
  const auto found = resolve("localhost", DnsType::Address);
  ASSERT_FALSE(found.empty());
  for (const DnsRecord& one : found) EXPECT_TRUE(one.address.is_loopback());
  EXPECT_EQ(server_.asked, 0);
}

TEST_F(ResolverTest, LiteralAddressIsItself) {
  const auto found = resolve("2001:db8::7", DnsType::Address);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].address, *IpAddress::parse("2001:db8::7"));
  EXPECT_EQ(server_.asked, 0);
}

TEST_F(ResolverTest, FindsAddressesOfBothFamilies) {
  server_.add("pbx.example.org", kA, {192, 0, 2, 10});
  server_.add("pbx.example.org", kA, {192, 0, 2, 11});
  server_.add("pbx.example.org", kAaaa, to_buffer(IpAddress::parse("2001:db8::10")->octets()));
  const auto found = resolve("pbx.example.org", DnsType::Address);
  std::vector<std::string> addresses;
  addresses.reserve(found.size());
  for (const DnsRecord& one : found) addresses.push_back(one.address.to_string());
  std::sort(addresses.begin(), addresses.end());
  EXPECT_EQ(addresses, (std::vector<std::string>{"192.0.2.10", "192.0.2.11", "2001:db8::10"}));
}

TEST_F(ResolverTest, FindsServicesWithTheirOrder) {
  for (const std::uint16_t priority : {std::uint16_t{10}, std::uint16_t{20}}) {
    Buffer data;
    Writer{data}.u16(priority).u16(60).u16(5060);
    write_name(data, priority == 10 ? "a.example.org" : "b.example.org");
    server_.add("_sip._udp.example.org", kSrv, data);
  }
  auto found = resolve("_sip._udp.example.org", DnsType::Srv);
  ASSERT_EQ(found.size(), 2U);
  std::sort(found.begin(), found.end(),
            [](const DnsRecord& a, const DnsRecord& b) { return a.priority < b.priority; });
  EXPECT_EQ(found[0].priority, 10);
  EXPECT_EQ(found[0].weight, 60);
  EXPECT_EQ(found[0].port, 5060);
  EXPECT_EQ(found[0].target, "a.example.org");
  EXPECT_EQ(found[1].target, "b.example.org");
}

TEST_F(ResolverTest, FindsNamingAuthorityPointers) {
  Buffer data;
  Writer{data}.u16(50).u16(90);
  write_text(data, "s");
  write_text(data, "SIPS+D2T");
  write_text(data, "");
  write_name(data, "_sips._tcp.example.org");
  server_.add("example.org", kNaptr, data);
  const auto found = resolve("example.org", DnsType::Naptr);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].priority, 50);
  EXPECT_EQ(found[0].weight, 90);
  EXPECT_EQ(found[0].flags, "s");
  EXPECT_EQ(found[0].service, "SIPS+D2T");
  EXPECT_EQ(found[0].target, "_sips._tcp.example.org");
}

TEST_F(ResolverTest, NoSuchNameIsEmpty) {
  server_.add("example.org", kA, {192, 0, 2, 1});
  EXPECT_TRUE(resolve("nothing.example.org", DnsType::Address).empty());
  EXPECT_TRUE(resolve("example.org", DnsType::Srv).empty());
  EXPECT_TRUE(resolve("nothing.example.org", DnsType::Naptr).empty());
  EXPECT_TRUE(resolve(std::string(300, 'a'), DnsType::Srv).empty());
}

TEST_F(ResolverTest, MoreQueriesThanAllowedFindNothingAtOnce) {
  server_.silent = true;
  EventLoop loop;
  Resolver resolver(loop, server_.address(), 2);
  int answered = 0;
  for (int i = 0; i < 3; ++i)
    resolver.resolve("example.org", DnsType::Srv, [&](const std::vector<DnsRecord>& records) {
      EXPECT_TRUE(records.empty());
      ++answered;
    });
  while (loop.run_one(std::chrono::milliseconds{20})) {
  }
  EXPECT_EQ(answered, 1);
}

TEST_F(ResolverTest, MayEndWhileQueriesAreUnderWay) {
  server_.silent = true;
  EventLoop loop;
  const auto witness = std::make_shared<int>(1);
  {
    Resolver resolver(loop, server_.address(), 10);
    for (const DnsType type : {DnsType::Address, DnsType::Srv, DnsType::Naptr})
      resolver.resolve("example.org", type,
                       [witness](const std::vector<DnsRecord>&) { ADD_FAILURE() << "answered"; });
    EXPECT_EQ(witness.use_count(), 4);
  }
  while (loop.run_one(std::chrono::milliseconds{20})) {
  }
  EXPECT_EQ(witness.use_count(), 1);
}

}  // namespace
}  // namespace sallyport::net
