#include "fastpath/kernel_relay.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <mutex>
#include <unordered_map>
#include <variant>
#include <vector>

#include "fastpath/attachment.h"
#include "fastpath/layout.h"
#include "net/route.h"
#include "sallyport_relay.skel.h"

namespace sallyport::fastpath {
namespace {

template <std::size_t N>
void put(__be32 (&at)[N], const IpAddress& ip) {
  static_assert(sizeof at >= 16);
  std::memcpy(&at, ip.padded_octets().data(), 16);
}

sallyport_key4 key4(const TransportAddress& local, const TransportAddress& source,
                    media::Channel channel) {
  sallyport_key4 key{};
  std::memcpy(&key.local, local.ip.octets().data(), 4);
  std::memcpy(&key.source, source.ip.octets().data(), 4);
  key.local_port = htons(local.port);
  key.source_port = htons(source.port);
  key.channel = htons(channel);
  return key;
}
sallyport_key6 key6(const TransportAddress& local, const TransportAddress& source,
                    media::Channel channel) {
  sallyport_key6 key{};
  put(key.local, local.ip);
  put(key.source, source.ip);
  key.local_port = htons(local.port);
  key.source_port = htons(source.port);
  key.channel = htons(channel);
  return key;
}

sallyport_way way_of(const KernelRule& rule, const net::Route& out, KernelRelay::Place place) {
  sallyport_way way{};
  put(way.from, out.local);
  put(way.to, rule.target.ip);
  put(way.gateway, out.next_hop);
  way.gateway_family = out.next_hop.is_v4() ? AF_INET : AF_INET6;
  way.device = out.device;
  way.place = place;
  way.from_port = htons(rule.from.port);
  way.to_port = htons(rule.target.port);
  way.longest =
      static_cast<__u16>(std::min<unsigned>(out.mtu, std::numeric_limits<std::uint16_t>::max()));
  way.channel = htons(rule.out_channel);
  way.longest_payload = static_cast<__u16>(
      std::min<std::size_t>(rule.longest, std::numeric_limits<std::uint16_t>::max()));
  way.dscp = rule.dscp;
  return way;
}

class LoadedRelay final : public KernelRelay {
 public:
  LoadedRelay(sallyport_relay* program, bool tcx, std::size_t places)
      : program_(program), tcx_(tcx), keys_(places) {}
  LoadedRelay(const LoadedRelay&) = delete;
  LoadedRelay& operator=(const LoadedRelay&) = delete;
  ~LoadedRelay() override {
    attached_.clear();
    if (counts_ != MAP_FAILED) ::munmap(counts_, counts_size());
    sallyport_relay::destroy(program_);
  }

  bool map_counts() {
    counts_ = ::mmap(nullptr, counts_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
                     bpf_map__fd(program_->maps.counts), 0);
    return counts_ != MAP_FAILED;
  }

  bool offload(Place place, const KernelRule& rule) override;
  void unload(Place place) override;
  media::FastCount read(Place place) const override;
  void set_clock(Place place, const media::RtpClock& clock) override;
  void beat(TimePoint now) override {
    const auto nanoseconds = static_cast<std::uint64_t>(now.time_since_epoch().count());
    __atomic_store_n(&program_->bss->beat, nanoseconds, __ATOMIC_RELAXED);
  }

 private:
  using Key = std::variant<std::monostate, sallyport_key4, sallyport_key6>;

  std::size_t counts_size() const { return keys_.size() * sizeof(sallyport_count); }
  int map_of(const Key& key) const {
    return bpf_map__fd(std::holds_alternative<sallyport_key4>(key) ? program_->maps.ways4
                                                                   : program_->maps.ways6);
  }
  static const void* octets_of(const Key& key) {
    if (const auto* v4 = std::get_if<sallyport_key4>(&key)) return v4;
    return std::get_if<sallyport_key6>(&key);
  }
  bool attach(unsigned device);
  sallyport_count& count_of(Place place) const {
    return static_cast<sallyport_count*>(counts_)[place];
  }
  void begin_stream(Place place, const media::RtpClock& clock);

  sallyport_relay* program_;
  bool tcx_;
  std::vector<Key> keys_;  // by place
  std::mutex attaching_;
  std::unordered_map<unsigned, Attachment> attached_;
  void* counts_ = MAP_FAILED;
};

bool LoadedRelay::attach(unsigned device) {
  const std::lock_guard lock{attaching_};
  if (attached_.contains(device)) return true;
  auto attachment =
      Attachment::attach(bpf_program__fd(program_->progs.sallyport_relay), device, tcx_);
  if (!attachment) return false;
  attached_.emplace(device, std::move(*attachment));
  return true;
}

bool LoadedRelay::offload(Place place, const KernelRule& rule) {
  const bool v4 = rule.source.ip.is_v4();
  if (rule.target.ip.is_v4() != v4 || rule.target.port == 0 || rule.target.ip.is_unspecified())
    return false;
  const auto in = net::find_route(rule.source.ip, rule.local.ip);
  if (!in) return false;
  const auto out = net::find_route(rule.target.ip, rule.from.ip);
  if (!out || !attach(in->device)) return false;
  const TransportAddress local{.ip = in->local, .port = rule.local.port};
  Key key;
  if (v4)
    key = key4(local, rule.source, rule.in_channel);
  else
    key = key6(local, rule.source, rule.in_channel);
  const sallyport_way way = way_of(rule, *out, place);
  begin_stream(place, rule.clock);
  if (bpf_map_update_elem(map_of(key), octets_of(key), &way, BPF_NOEXIST) != 0) return false;
  keys_[place] = key;
  return true;
}

void LoadedRelay::unload(Place place) {
  Key& key = keys_[place];
  if (std::holds_alternative<std::monostate>(key)) return;
  bpf_map_delete_elem(map_of(key), octets_of(key));
  key = {};
}

media::FastCount LoadedRelay::read(Place place) const {
  const sallyport_count& at = count_of(place);
  const auto last = static_cast<std::int64_t>(__atomic_load_n(&at.last, __ATOMIC_RELAXED));
  media::FastCount out{.packets = __atomic_load_n(&at.packets, __ATOMIC_RELAXED),
                       .octets = __atomic_load_n(&at.octets, __ATOMIC_RELAXED),
                       .last = TimePoint{std::chrono::nanoseconds{last}}};
  // Its words are whole, each by itself: of the packet that comes right now some may know already.
  std::memcpy(&out.stream, &at.stream, sizeof out.stream);
  return out;
}

// The place is free: nobody else writes there.
void LoadedRelay::begin_stream(Place place, const media::RtpClock& clock) {
  sallyport_rtp& stream = count_of(place).stream;
  const sallyport_rtp_totals totals = stream.totals;
  stream = {};
  stream.totals = totals;
  stream.payload_type = clock.payload_type;
  stream.tick = clock.tick;
}

void LoadedRelay::set_clock(Place place, const media::RtpClock& clock) {
  sallyport_rtp& stream = count_of(place).stream;
  if (stream.payload_type == clock.payload_type)
    __atomic_store_n(&stream.tick, clock.tick, __ATOMIC_RELAXED);
}

Error why_not_loaded(int error) {
  if (error == EPERM || error == EACCES)
    return {.code = Errc::NotPermitted, .what = "it takes CAP_BPF and CAP_NET_ADMIN"};
  return {.code = Errc::Unsupported, .what = "this kernel does not take the program"};
}

}  // namespace

Result<std::unique_ptr<KernelRelay>> KernelRelay::open(const Options& options) {
  libbpf_set_print(nullptr);  // it would write to standard error; what matters is returned
  sallyport_relay* const program = sallyport_relay::open();
  if (program == nullptr) return tl::make_unexpected(why_not_loaded(errno));
  auto relay = std::make_unique<LoadedRelay>(program, options.tcx, options.places);
  for (bpf_map* const map : {program->maps.ways4, program->maps.ways6, program->maps.counts})
    bpf_map__set_max_entries(map, static_cast<__u32>(options.places));
  if (const int error = sallyport_relay::load(program); error != 0)
    return tl::make_unexpected(why_not_loaded(-error));
  if (!relay->map_counts()) return fail(Errc::System, "the counters cannot be mapped");
  remove_leftovers();
  return relay;
}

}  // namespace sallyport::fastpath
