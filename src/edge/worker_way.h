// The way from one media thread to another: packets in a ring, and notes, which are rarer and never
// lost. Each has one thread at either end (edge/media_worker.h).
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/packet_ring.h"
#include "base/queue.h"
#include "media/relay.h"
#include "net/udp_batch.h"

namespace sallyport::edge {

// Ends that are the other thread's from now on.
struct Handover {
  std::vector<media::MediaId> ids;
  std::unique_ptr<media::Relay::Moving> ends;
  std::vector<std::pair<media::SocketId, std::unique_ptr<net::UdpBatch>>> sockets;
};
using WorkerNote = std::variant<media::SourceNote, Handover>;

class WorkerWay {
 public:
  // What a packet comes with.
  using Label = std::variant<media::Arrival, media::Departure>;

  WorkerWay() : packets_(kOctets), notes_(kNotes) {}

  // ---- The thread that passes ----
  // The octets are copied. False: the other thread is too far behind.
  bool pass(const Label& label, Bytes packet) {
    if (!unsent_.empty()) return false;  // nothing overtakes a note
    const MutableBytes record = packets_.reserve(kBefore + packet.size());
    if (record.data() == nullptr) return false;
    std::memcpy(record.data(), &label, sizeof label);
    std::copy(packet.begin(), packet.end(), record.begin() + kBefore);
    packets_.publish();
    used_ = true;
    return true;
  }
  void tell(WorkerNote&& note) {
    unsent_.push_back(std::move(note));
    send_notes();
  }
  void send_notes() {  // those for which there was no room
    while (!unsent_.empty() && notes_.push(std::move(unsent_.front()))) {
      unsent_.pop_front();
      used_ = true;
    }
  }
  bool has_told_all() const { return unsent_.empty(); }
  // Whether anything was passed or told since this was last asked.
  bool was_used() { return std::exchange(used_, false); }

  // ---- The thread that takes ----
  bool has_more() const { return packets_.has_more() || notes_.size() > 0; }
  // on_note(WorkerNote&) for all notes that are there. Before the packets: those may rely on them.
  template <typename OnNote>
  void take_notes(OnNote&& on_note) {
    packets_.look();  // first: what comes later may rely on notes that are not taken now
    while (auto note = notes_.pop()) on_note(*note);
  }
  // on_packet(const Label&, MutableBytes) for those that were there then. They have
  // media::kHeadroom before them.
  template <typename OnPacket>
  void take_packets(OnPacket&& on_packet) {
    for (;;) {
      const MutableBytes record = packets_.take();
      if (record.data() == nullptr) return;
      Label label;
      std::memcpy(&label, record.data(), sizeof label);
      on_packet(label, record.subspan(kBefore));
    }
  }
  void give_back() { packets_.give_back(); }  // nothing of what was taken waits to be sent

 private:
  static_assert(std::is_trivially_copyable_v<Label>);
  static constexpr std::size_t kBefore = sizeof(Label) + media::kHeadroom;
  static constexpr std::size_t kOctets = 512 * 1024;  // some 2000 packets of voice
  static constexpr std::size_t kNotes = 1024;

  PacketRing packets_;
  Queue<WorkerNote> notes_;
  std::deque<WorkerNote> unsent_;
  bool used_ = false;
};

}  // namespace sallyport::edge
