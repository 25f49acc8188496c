// H.245 of one call: capabilities, master and slave, logical channels, user input. Messages come
// and go as octets; whether they are tunnelled or have a connection of their own is the call's
// matter (call.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "codec/h323/messages.h"
#include "h323_endpoint/media.h"
#include "h323_endpoint/settings.h"

namespace sallyport::h323_endpoint {

class Control {
 public:
  struct Wiring {
    std::function<void(Buffer)> send;
    std::function<void(std::string what, std::string detail)> on_event;
    std::function<void(std::string)> on_complaint;
    std::function<void()> on_session_ended;  // endSessionCommand came
  };

  // `calls`: whether this side has made the call; it opens the channels that go both ways.
  Control(const Settings& settings, Media& media, Random& random, bool calls, Wiring wiring);

  void start();  // once
  bool started() const { return started_; }
  void restart();  // it was begun in a tunnel that the other side does not have
  void on_message(Bytes octets);

  // ---- Fast connect ----
  // The elements that Setup offers, each an encoded OpenLogicalChannel.
  std::vector<Buffer> offer();
  // Takes what it can of an offer, and returns the answer's elements.
  std::vector<Buffer> accept_offer(const std::vector<Buffer>& offer);
  // An answer; one that says the same again changes nothing.
  void take_answer(const std::vector<Buffer>& answer);
  // While it may still be answered nothing is opened by H.245 (H.323 8.1.7.2): that would refuse
  // it.
  void await_fast_connect(bool awaited);

  // The other side is to stop sending (an empty capability set), or may again.
  void hold(bool held);
  bool held() const { return held_; }
  void send_digit(char digit);
  void close_channel(Kind kind);  // what this side sends
  void reopen_channel(Kind kind);
  void request_round_trip();
  void end_session();

  bool is_master() const { return status_ == Status::Master; }
  // What this side sends, and what it receives.
  bool sends(Kind kind) const;
  bool receives(Kind kind) const;
  const std::string& digits() const { return digits_; }

 private:
  enum class Status : std::uint8_t { Unknown, Master, Slave };
  struct Outgoing {
    Kind kind = Kind::Audio;
    bool open = false;
    bool by_fast_connect = false;
  };
  using Root = codec::h245::MultimediaSystemControlMessage;
  template <class T>
  using View = codec::per::View<T>;

  void send(const codec::per::Message& message);
  void send_capabilities();
  void send_determination();
  void open_missing_channels();
  void open_channel(Kind kind);
  bool is_ready() const;
  std::uint8_t session_of(Kind kind) const;

  void on_request(View<codec::h245::RequestMessage> request);
  void on_response(View<codec::h245::ResponseMessage> response);
  void on_determination(View<codec::h245::MasterSlaveDetermination> determination);
  void on_capabilities(View<codec::h245::TerminalCapabilitySet> capabilities);
  void on_open(View<codec::h245::OpenLogicalChannel> open);
  void on_open_ack(View<codec::h245::OpenLogicalChannelAck> ack);
  void on_close(View<codec::h245::CloseLogicalChannel> close);
  void on_user_input(View<codec::h245::UserInputIndication> input);

  const Settings& settings_;
  Media& media_;
  Random& random_;
  bool calls_;
  Wiring wiring_;
  bool started_ = false, held_ = false, paused_ = false;
  Status status_ = Status::Unknown;
  bool determined_ = false;          // the other side has acknowledged it
  bool capabilities_taken_ = false;  // ours
  std::uint32_t determination_number_ = 0;
  std::uint8_t capability_sequence_ = 0;
  std::optional<std::set<Kind>> far_kinds_;
  std::uint16_t next_channel_ = 1;
  std::map<std::uint16_t, Outgoing> outgoing_;  // by forward logical channel number
  std::map<std::uint16_t, Kind> incoming_;
  std::map<Kind, std::uint16_t> offered_;  // by fast connect, what this side would send
  bool answer_taken_ = false;
  bool fast_connect_awaited_ = false;
  std::string digits_;
};

}  // namespace sallyport::h323_endpoint
