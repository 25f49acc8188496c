#include "net/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <sys/stat.h>

#include <unordered_map>
#include <utility>

#include "net/socket.h"

namespace sallyport::net {
namespace {

constexpr int kTimeoutMs = 2000;  // for each try of a server
constexpr int kTries = 3;

// c-ares wants its library counted; in the sources of Debian's that is all it does.
void begin_library() {
  static const int begun = ares_library_init(ARES_LIB_INIT_ALL);
  static_cast<void>(begun);
}

// What tells one state of a file from another; empty when it is not there.
std::string state_of(const char* path) {
  struct stat file {};
  if (::stat(path, &file) != 0) return {};
  return std::to_string(file.st_ino) + "/" + std::to_string(file.st_mtim.tv_sec) + "." +
         std::to_string(file.st_mtim.tv_nsec) + "/" + std::to_string(file.st_size);
}

std::vector<DnsRecord> addresses_of(const ares_addrinfo* found) {
  std::vector<DnsRecord> out;
  for (const auto* node = found->nodes; node != nullptr; node = node->ai_next) {
    DnsRecord record;
    record.address = to_transport_address(node->ai_addr).ip;
    out.push_back(std::move(record));
  }
  return out;
}

std::vector<DnsRecord> srv_of(const unsigned char* answer, int size) {
  ares_srv_reply* found = nullptr;
  if (ares_parse_srv_reply(answer, size, &found) != ARES_SUCCESS) return {};
  std::vector<DnsRecord> out;
  for (const auto* srv = found; srv != nullptr; srv = srv->next) {
    DnsRecord record;
    record.priority = srv->priority;
    record.weight = srv->weight;
    record.port = srv->port;
    record.target = srv->host;
    out.push_back(std::move(record));
  }
  ares_free_data(found);
  return out;
}

std::vector<DnsRecord> naptr_of(const unsigned char* answer, int size) {
  ares_naptr_reply* found = nullptr;
  if (ares_parse_naptr_reply(answer, size, &found) != ARES_SUCCESS) return {};
  std::vector<DnsRecord> out;
  for (const auto* naptr = found; naptr != nullptr; naptr = naptr->next) {
    DnsRecord record;
    record.priority = naptr->order;
    record.weight = naptr->preference;
    record.target = naptr->replacement;
    record.service = reinterpret_cast<const char*>(naptr->service);
    record.flags = reinterpret_cast<const char*>(naptr->flags);
    out.push_back(std::move(record));
  }
  ares_free_data(found);
  return out;
}

}  // namespace

// One c-ares channel with its sockets and its clock on the loop. Kept by the resolver and by each
// query that it has still to answer.
class Resolver::Channel final : public std::enable_shared_from_this<Resolver::Channel> {
 public:
  explicit Channel(EventLoop& loop) : loop_(loop), timer_(loop.make_timer()) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    if (channel_ != nullptr) ares_destroy(channel_);
  }

  bool open(const std::string& servers) {
    begin_library();
    ares_options options{};
    options.timeout = kTimeoutMs;
    options.tries = kTries;
    options.sock_state_cb = on_socket;
    options.sock_state_cb_data = this;
    const int asked = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&channel_, &options, asked) != ARES_SUCCESS) {
      channel_ = nullptr;
      return false;
    }
    return servers.empty() || ares_set_servers_ports_csv(channel_, servers.c_str()) == ARES_SUCCESS;
  }

  // Ends every query, unanswered.
  void cancel() {
    silent_ = true;
    if (channel_ != nullptr) ares_cancel(channel_);
  }

  void resolve(const std::string& name, DnsType type, const std::shared_ptr<std::size_t>& under_way,
               Network::OnRecords on_records) {
    auto* query = new Query{shared_from_this(), under_way, std::move(on_records)};
    ++*under_way;
    switch (type) {
      case DnsType::Address: {
        ares_addrinfo_hints hints{};
        hints.ai_family = AF_UNSPEC;
        hints.ai_socktype = SOCK_DGRAM;  // or each address comes once for each type
        hints.ai_flags = ARES_AI_NOSORT;
        ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, on_addresses, query);
        break;
      }
      case DnsType::Srv:
        ares_query(channel_, name.c_str(), ns_c_in, ns_t_srv, on_srv, query);
        break;
      case DnsType::Naptr:
        ares_query(channel_, name.c_str(), ns_c_in, ns_t_naptr, on_naptr, query);
        break;
    }
    restart_clock();
  }

 private:
  struct Query {
    std::shared_ptr<Channel> channel;
    std::shared_ptr<std::size_t> under_way;
    Network::OnRecords on_records;
  };

  // Answers from the loop: c-ares calls back from within its own calls, at times at once.
  static void answer(void* argument, std::vector<DnsRecord> records) {
    auto query = std::shared_ptr<Query>(static_cast<Query*>(argument));
    --*query->under_way;
    if (query->channel->silent_) return;
    EventLoop& loop = query->channel->loop_;
    loop.post([query = std::move(query), records = std::move(records)]() mutable {
      if (!query->channel->silent_) query->on_records(std::move(records));
    });
  }
  static void on_addresses(void* query, int status, int /*timeouts*/, ares_addrinfo* found) {
    answer(query, status == ARES_SUCCESS ? addresses_of(found) : std::vector<DnsRecord>{});
    if (found != nullptr) ares_freeaddrinfo(found);
  }
  static void on_srv(void* query, int status, int /*timeouts*/, unsigned char* octets, int size) {
    answer(query, status == ARES_SUCCESS ? srv_of(octets, size) : std::vector<DnsRecord>{});
  }
  static void on_naptr(void* query, int status, int /*timeouts*/, unsigned char* octets, int size) {
    answer(query, status == ARES_SUCCESS ? naptr_of(octets, size) : std::vector<DnsRecord>{});
  }

  struct Socket {
    std::unique_ptr<Readiness> readiness;
    bool readable = false;
    bool writable = false;
  };

  static void on_socket(void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<Channel*>(self)->watch(fd, readable != 0, writable != 0);
  }

  void watch(int fd, bool readable, bool writable) {
    if (!readable && !writable) {
      sockets_.erase(fd);  // c-ares closes it next
      return;
    }
    Socket& socket = sockets_[fd];
    socket.readable = readable;
    socket.writable = writable;
    if (!socket.readiness) {
      auto made = Readiness::watch(loop_, fd, [weak = weak_from_this(), fd](Ready what) {
        if (const auto self = weak.lock()) self->on_ready(fd, what);
      });
      if (!made) return;  // its time-out will tell c-ares
      socket.readiness = std::move(*made);
    }
    await(socket);
  }

  static void await(Socket& socket) {
    if (socket.readable) socket.readiness->wait(Ready::Readable);
    if (socket.writable) socket.readiness->wait(Ready::Writable);
  }

  void on_ready(int fd, Ready what) {
    ares_process_fd(channel_, what == Ready::Readable ? fd : ARES_SOCKET_BAD,
                    what == Ready::Writable ? fd : ARES_SOCKET_BAD);
    if (const auto it = sockets_.find(fd); it != sockets_.end() && it->second.readiness)
      await(it->second);
    restart_clock();
  }

  void restart_clock() {
    timeval left{};
    if (ares_timeout(channel_, nullptr, &left) == nullptr) return timer_->stop();
    const auto due = Clock::now() + std::chrono::seconds{left.tv_sec} +
                     std::chrono::microseconds{left.tv_usec} + std::chrono::milliseconds{1};
    timer_->start(due, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      ares_process_fd(self->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      self->restart_clock();
    });
  }

  EventLoop& loop_;
  std::unique_ptr<Timer> timer_;
  std::unordered_map<int, Socket> sockets_;
  ares_channel channel_ = nullptr;
  bool silent_ = false;
};

Resolver::Resolver(EventLoop& loop, std::string servers, std::size_t max_queries)
    : loop_(loop),
      servers_(std::move(servers)),
      max_queries_(max_queries),
      under_way_(std::make_shared<std::size_t>(0)) {}

Resolver::~Resolver() {
  if (channel_) channel_->cancel();
  for (const auto& earlier : earlier_)
    if (const auto channel = earlier.lock()) channel->cancel();
}

// Another network has other servers: an agent's host that moves rewrites /etc/resolv.conf. Queries
// under way end on the channel that they began on.
std::shared_ptr<Resolver::Channel> Resolver::channel() {
  std::string now = servers_.empty() ? state_of("/etc/resolv.conf") : servers_;
  if (channel_ && now == configured_by_) return channel_;
  auto made = std::make_shared<Channel>(loop_);
  if (!made->open(servers_)) return channel_;
  std::erase_if(earlier_, [](const auto& one) { return one.expired(); });
  if (channel_) earlier_.push_back(channel_);
  channel_ = std::move(made);
  configured_by_ = std::move(now);
  return channel_;
}

void Resolver::resolve(const std::string& name, DnsType type, Network::OnRecords on_records) {
  if (const auto literal = IpAddress::parse(name); literal && type == DnsType::Address) {
    DnsRecord record;
    record.address = *literal;
    return loop_.post(
        [record = std::move(record), on_records = std::move(on_records)] { on_records({record}); });
  }
  const auto open = *under_way_ < max_queries_ ? channel() : nullptr;
  if (!open) return loop_.post([on_records = std::move(on_records)] { on_records({}); });
  open->resolve(name, type, under_way_, std::move(on_records));
}

}  // namespace sallyport::net
