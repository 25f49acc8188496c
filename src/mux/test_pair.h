// For tests: two multiplexes and the connections between them, in virtual time, without a network.
// connect() dials (make-before-break when one is up), break_connection() loses what is on its way,
// run() carries octets until both sides are quiet, advance() lets time pass. Chunk sizes come from
// `chunk`, so that a test can cut records anywhere.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "mux/byte_queue.h"
#include "mux/multiplex.h"

namespace sallyport::mux {

// One direction of a connection under test: what was sent and has not arrived.
struct TestWire {
  ByteQueue on_its_way{};
  bool closed = false;  // by its sender, after what is on its way
  bool cut = false;     // what is sent is lost
};

class TestLink final : public Link {
 public:
  TestLink(std::shared_ptr<TestWire> wire, ExporterKey key) : wire_(std::move(wire)), key_(key) {}
  ~TestLink() override { wire_->closed = true; }

  void send(Bytes octets) override {
    if (!wire_->cut && !wire_->closed) wire_->on_its_way.push(octets);
  }
  std::size_t queued() const override { return wire_->on_its_way.size(); }
  void close() override { wire_->closed = true; }
  bool export_key(std::string_view /*label*/, Bytes /*context*/, MutableBytes out) const override {
    std::copy_n(key_.begin(), std::min(out.size(), key_.size()), out.begin());
    return true;
  }

 private:
  std::shared_ptr<TestWire> wire_;
  ExporterKey key_;
};

class TestPair {
 public:
  explicit TestPair(const Multiplex::Settings& settings = {}, std::uint64_t seed = 1)
      : random_(seed),
        dialling(Multiplex::Role::Dialling, settings, random_, [] {}),
        accepting(Multiplex::Role::Accepting, settings, random_, [] {}) {
    instance_ = random_.array<16>();
  }

  // A new connection: hello and its answer pass at once. The refusal, if there was one.
  std::optional<Refusal> connect() {
    Dialled dialled = dial();
    if (auto refusal = reach(dialled)) return refusal;
    return finish(std::move(dialled));
  }

  // The same in steps, so that something can happen, or get lost, between them.
  struct Connection {
    std::uint64_t number = 0;
    std::shared_ptr<TestWire> to_dialling = std::make_shared<TestWire>();
    std::shared_ptr<TestWire> to_accepting = std::make_shared<TestWire>();
  };
  struct Dialled {
    ExporterKey key{};
    Hello hello{};
    Connection connection{};
  };
  Dialled dial() {
    Dialled dialled{.key = random_.array<32>()};
    dialled.hello = dialling.hello(instance_, dialled.key);
    dialled.connection.number = dialled.hello.connection;
    return dialled;
  }
  // The hello arrives; the accepting side attaches the connection and answers.
  std::optional<Refusal> reach(const Dialled& dialled) {
    if (accepting.connection_number() != 0) {
      if (auto refusal = accepting.judge(dialled.hello, dialled.key)) return refusal;
    }
    auto link = std::make_unique<TestLink>(dialled.connection.to_dialling, dialled.key);
    if (!accepting.accept(std::move(link), dialled.hello, WallTime{}, now))
      return Refusal{.code = RefusalCode::Malformed};
    return std::nullopt;
  }
  // The answer arrives; the dialling side attaches the connection.
  std::optional<Refusal> finish(Dialled dialled) {
    ByteQueue& wire = dialled.connection.to_dialling->on_its_way;
    const auto accept =
        parse_hello_accept(wire.view().subspan(kRecordHeaderSize).first(kHelloAcceptSize));
    wire.pop(kRecordHeaderSize + kHelloAcceptSize);
    auto link = std::make_unique<TestLink>(dialled.connection.to_accepting, dialled.key);
    if (!dialling.attach(std::move(link), dialled.hello, *accept, now))
      return Refusal{.code = RefusalCode::Malformed};
    connections_.push_back(std::move(dialled.connection));
    return std::nullopt;
  }
  // The answer is lost: only the accepting side believes in the connection, for a while.
  void lose(const Dialled& dialled) {
    dialled.connection.to_dialling->cut = true;
    dialled.connection.to_dialling->on_its_way.clear();
  }

  // The newest connection breaks; either side learns of it if it is told.
  void break_connection(bool tell_dialling = true, bool tell_accepting = true) {
    if (connections_.empty()) return;
    Connection& connection = connections_.back();
    const Error why{.code = Errc::Closed, .what = "broken by the test"};
    for (const auto& wire : {connection.to_dialling, connection.to_accepting}) {
      wire->cut = true;
      wire->on_its_way.clear();
    }
    if (tell_dialling) dialling.on_broken(connection.number, why, now);
    if (tell_accepting) accepting.on_broken(connection.number, why, now);
    if (tell_dialling && tell_accepting) connections_.pop_back();
  }

  // At most `most` octets of one direction of the connection with this index; false if there are
  // none. An end of the stream is told once everything before it has arrived.
  bool carry(std::size_t index, bool to_dialling, std::size_t most) {
    if (index >= connections_.size()) return false;
    Connection& connection = *std::next(connections_.begin(), static_cast<std::ptrdiff_t>(index));
    const auto wire = to_dialling ? connection.to_dialling : connection.to_accepting;
    Multiplex& to = to_dialling ? dialling : accepting;
    const std::uint64_t number = connection.number;
    const std::size_t n = std::min(most, wire->on_its_way.size());
    if (n == 0) return false;
    const Buffer octets = to_buffer(wire->on_its_way.view().first(n));
    wire->on_its_way.pop(n);
    to.on_received(number, octets, now);
    (to_dialling ? accepting : dialling).on_drained(number, now);
    return true;
  }

  // Until nothing more moves.
  void run() {
    flush();
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t i = 0; i < connections_.size(); ++i) {
        moved = carry(i, true, chunk()) || moved;
        moved = carry(i, false, chunk()) || moved;
      }
      flush();
    }
    drop_closed();
  }

  void flush() {
    dialling.flush(now);
    accepting.flush(now);
  }

  // Lets time pass, with every timer that is due on the way and what it causes.
  void advance(Duration by) {
    const TimePoint end = now + by;
    while (true) {
      run();
      TimePoint next = end;
      for (const Multiplex* side : {&dialling, &accepting}) {
        if (const auto due = side->next_deadline()) next = std::min(next, *due);
      }
      now = std::max(now, next);
      dialling.on_time(now);
      accepting.on_time(now);
      if (now >= end) break;
    }
    run();
  }

  std::size_t connections() const { return connections_.size(); }

 private:
  void drop_closed() {
    const Error why{.code = Errc::Closed, .what = "closed by the far side"};
    for (auto it = connections_.begin(); it != connections_.end();) {
      if (it->to_dialling->closed) dialling.on_broken(it->number, why, now);
      if (it->to_accepting->closed) accepting.on_broken(it->number, why, now);
      const bool over = it->to_dialling->closed && it->to_accepting->closed;
      it = over ? connections_.erase(it) : std::next(it);
    }
  }

  SeededRandom random_;
  InstanceId instance_{};
  std::list<Connection> connections_;

 public:
  TimePoint now{std::chrono::hours{1}};
  std::function<std::size_t()> chunk = [] { return std::numeric_limits<std::size_t>::max(); };
  Multiplex dialling;
  Multiplex accepting;
};

// Remembers what it is told.
class TestObserver : public Multiplex::Observer {
 public:
  struct Datagram {
    ChannelId channel;
    TransportAddress local;
    TransportAddress remote;
    Buffer octets;
  };
  void on_channel(ChannelId id, const StreamHeader& header) override {
    channels.emplace_back(id, header);
  }
  void on_received(ChannelId id, Bytes octets) override {
    auto& to = received[id];
    to.insert(to.end(), octets.begin(), octets.end());
  }
  void on_datagram(ChannelId id, const TransportAddress& local, const TransportAddress& remote,
                   Bytes datagram) override {
    datagrams.push_back({id, local, remote, to_buffer(datagram)});
  }
  void on_half_closed(ChannelId id) override { half_closed.push_back(id); }
  void on_closed(ChannelId id, const Error& why) override { closed.emplace_back(id, why); }
  void on_writable(ChannelId id) override { writable.push_back(id); }
  void on_attached(std::uint64_t number) override { attached.push_back(number); }
  void on_detached(const Error& why) override { detached.push_back(why); }
  void on_gone(const Error& why) override { gone.push_back(why); }

  std::string text(ChannelId id) { return std::string{as_text(received[id])}; }

  std::vector<std::pair<ChannelId, StreamHeader>> channels;
  std::unordered_map<ChannelId, Buffer> received;
  std::vector<Datagram> datagrams;
  std::vector<ChannelId> half_closed;
  std::vector<std::pair<ChannelId, Error>> closed;
  std::vector<ChannelId> writable;
  std::vector<std::uint64_t> attached;
  std::vector<Error> detached;
  std::vector<Error> gone;
};

}  // namespace sallyport::mux
