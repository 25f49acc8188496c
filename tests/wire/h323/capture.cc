#include "wire/h323/capture.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>

#include "base/file.h"
#include "base/transport_address.h"
#include "codec/q931/message.h"
#include "codec/q931/tpkt.h"

namespace sallyport::tests {
namespace {

[[noreturn]] void give_up(const std::string& path, const char* what) {
  std::fprintf(stderr, "%s: %s\n", path.c_str(), what);
  std::abort();
}

std::uint32_t little_endian(Reader& in) { return __builtin_bswap32(in.u32()); }

struct Stream {
  std::optional<std::uint32_t> next;      // sequence number
  std::map<std::uint32_t, Buffer> early;  // segments that came before their turn
  codec::q931::TpktReader packets;
  std::optional<bool> is_call_signalling;  // as its first packet shows
};

class CaptureReader {
 public:
  explicit CaptureReader(std::string path) : path_(std::move(path)) {}

  std::vector<RecordedMessage> read() {
    const auto octets = read_file(path_);
    if (!octets) give_up(path_, "cannot be read");
    Reader in{as_bytes(*octets)};
    if (in.u32() != 0xd4c3b2a1) give_up(path_, "not a little-endian pcap");
    in.skip(16);
    if (little_endian(in) != 1) give_up(path_, "not of Ethernet");
    while (in.left() != 0) {
      in.skip(8);
      const std::uint32_t length = little_endian(in);
      in.skip(4);
      frame(Reader{in.take(length)});
    }
    if (!in.ok()) give_up(path_, "cut");
    return std::move(messages_);
  }

 private:
  void frame(Reader in) {
    in.skip(12);
    if (in.u16() != 0x0800) return;
    const std::size_t header = (in.u8() & 0x0fU) * std::size_t{4};
    in.skip(1);
    const std::size_t total = in.u16();
    in.skip(5);
    const std::uint8_t protocol = in.u8();
    in.skip(2);
    TransportAddress from{IpAddress::v4(in.array<4>()), 0};
    TransportAddress to{IpAddress::v4(in.array<4>()), 0};
    in.skip(header - 20);
    Reader body{in.take(total - header)};
    from.port = body.u16();
    to.port = body.u16();
    const std::string stream = from.to_string() + ">" + to.to_string();
    if (protocol == 17) {
      body.skip(4);
      if (is_ras(from.port) || is_ras(to.port))
        messages_.push_back({RecordedMessage::Kind::Ras, stream, to_buffer(body.rest())});
    } else if (protocol == 6) {
      segment(stream, body);
    }
  }

  static bool is_ras(std::uint16_t port) { return port == 1718 || port == 1719; }

  void segment(const std::string& name, Reader body) {
    std::uint32_t sequence = body.u32();
    body.skip(4);
    const std::size_t header = (body.u8() >> 4U) * std::size_t{4};
    const bool syn = (body.u8() & 2U) != 0;
    body.skip(header - 14);
    Stream& stream = streams_[name];
    if (syn) stream.next = ++sequence;
    Bytes octets = body.rest();
    if (octets.empty()) return;
    if (!stream.next) stream.next = sequence;
    stream.early[sequence] = to_buffer(octets);
    while (!stream.early.empty()) {
      const auto first = stream.early.begin();
      const auto before = static_cast<std::int32_t>(*stream.next - first->first);
      if (before < 0) return;  // something before it is still to come
      if (static_cast<std::size_t>(before) < first->second.size()) {  // else all of it was there
        stream.packets.push(Bytes{first->second}.subspan(static_cast<std::size_t>(before)));
        *stream.next = first->first + static_cast<std::uint32_t>(first->second.size());
      }
      stream.early.erase(first);
      packets(name, stream);
    }
  }

  void packets(const std::string& name, Stream& stream) {
    for (auto packet = stream.packets.next(); packet; packet = stream.packets.next()) {
      if (!stream.is_call_signalling)
        stream.is_call_signalling = packet->size() > 1 && (*packet)[0] == 8 && (*packet)[1] == 2;
      if (!*stream.is_call_signalling) {
        messages_.push_back({RecordedMessage::Kind::Control, name, to_buffer(*packet)});
        continue;
      }
      const auto message = codec::q931::Message::parse(*packet);
      if (!message) give_up(path_, "not Q.931");
      if (const auto per = message->user_user())
        messages_.push_back({RecordedMessage::Kind::UserInformation, name, to_buffer(*per)});
    }
  }

  std::string path_;
  std::map<std::string, Stream> streams_;
  std::vector<RecordedMessage> messages_;
};

}  // namespace

std::vector<RecordedMessage> read_capture(const std::string& path) {
  return CaptureReader{path}.read();
}

std::vector<std::string> capture_paths() {
  std::vector<std::string> out;
  for (const auto& entry :
       std::filesystem::directory_iterator{SALLYPORT_WIRE_VECTORS "/h323/captures"})
    if (entry.path().extension() == ".pcap") out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace sallyport::tests
