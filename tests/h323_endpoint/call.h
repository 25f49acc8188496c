// One call: Q.931 and H.225.0 call signalling, with H.245 tunnelled in it or beside it, as the
// settings choose. Owned by the endpoint, which is its CallHost.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/h323/messages.h"
#include "codec/q931/elements.h"
#include "codec/q931/message.h"
#include "codec/q931/tpkt.h"
#include "h323_endpoint/control.h"
#include "h323_endpoint/media.h"
#include "h323_endpoint/settings.h"
#include "net/network.h"

namespace sallyport::h323_endpoint {

class Call;

// What a gatekeeper says to a call.
struct Admission {
  bool granted = true;
  std::optional<TransportAddress> address;  // where Setup goes
  std::string refusal;
};

class CallHost {
 public:
  CallHost() = default;
  CallHost(const CallHost&) = delete;
  CallHost& operator=(const CallHost&) = delete;
  virtual ~CallHost() = default;

  virtual net::Network& network() = 0;
  virtual const Settings& settings() const = 0;
  virtual Random& random() = 0;
  virtual const IpAddress& own() const = 0;
  virtual std::uint16_t& next_port() = 0;
  virtual void admit(Call& call, std::function<void(const Admission&)> on_answer) = 0;
  virtual void disengage(Call& call) = 0;
  virtual void on_event(Call& call, const std::string& what, const std::string& detail) = 0;
};

// Whom to call: "5551234" is dialled digits, "h323:..." a URL, anything else an h323-ID.
void write_alias(codec::per::Edit<codec::h225::AliasAddress> out, const std::string& text);
void write_endpoint_type(codec::per::Edit<codec::h225::EndpointType> out, const Settings& settings);
// {itu-t recommendation h 2250 version(0) n}
Buffer protocol_identifier(const Settings& settings);

class Call {
 public:
  enum class State : std::uint8_t { Admitting, Calling, Proceeding, Ringing, Connected, Ended };

  Call(CallHost& host, std::uint64_t id);
  // Of a connection that the endpoint has accepted.
  Call(CallHost& host, std::uint64_t id, std::unique_ptr<net::Stream> stream);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // Without a name the address alone says who is called. A registered endpoint sends it the way
  // that its gatekeeper says.
  void dial(const std::string& name, const std::optional<TransportAddress>& address);
  void answer();
  void reject(codec::q931::CauseValue cause);
  void hang_up();
  void hold(bool held);
  void send_digit(char digit);
  void send_keypad(char digit);  // in Information

  std::uint64_t id() const { return id_; }
  State state() const { return state_; }
  bool is_caller() const { return caller_; }
  const std::string& called() const { return called_; }
  const std::optional<TransportAddress>& target() const { return target_; }
  // The caller's h323-ID or number, of a call that came in.
  const std::string& calling() const { return calling_; }
  std::optional<codec::q931::CauseValue> cause() const { return cause_; }
  const std::string& refusal() const { return refusal_; }  // of the gatekeeper
  Control& control() { return *control_; }
  Media& media() { return *media_; }
  const std::vector<std::string>& complaints() const { return complaints_; }
  std::uint16_t reference() const { return reference_; }
  const std::array<std::uint8_t, 16>& identifier() const { return identifier_; }
  const std::array<std::uint8_t, 16>& conference() const { return conference_; }
  const std::string& keypad() const { return keypad_; }
  bool fast_connected() const { return fast_connected_; }
  bool tunnels() const { return tunnels_; }
  std::optional<TimePoint> setup_at() const { return setup_at_; }
  std::optional<TimePoint> connected_at() const { return connected_at_; }

 private:
  using UserInformation = codec::h225::H323UserInformation;
  using Pdu = codec::h225::H323UUPDU;
  using Body = Pdu::H323MessageBody;
  template <class T>
  using Edit = codec::per::Edit<T>;
  template <class T>
  using View = codec::per::View<T>;
  struct Outgoing;

  void prepare();
  void use(std::unique_ptr<net::Stream> stream);
  void send_setup(const std::optional<TransportAddress>& address);
  void send_release(codec::q931::CauseValue cause);
  void send_facility_with_control();
  void send_control_address();
  template <class T>
  void write_common(Edit<T> body) const;
  // What an answer says at this point of fast connect and of H.245.
  template <class T>
  void write_choices(At at, Outgoing& out, Edit<T> body);
  void send(Outgoing& out);
  void write(Bytes packet);
  void flush();

  void on_received(Bytes octets);
  void on_message(Bytes packet);
  void on_setup(const codec::q931::Message& message, View<codec::h225::SetupUUIE> setup,
                View<Pdu> pdu);
  void on_admitted_to_answer(const Admission& admission);
  // What any message may bring: fast connect's answer, an address for H.245, tunnelled H.245.
  template <class T>
  void take_choices(View<T> body);
  void take_tunnelled(View<Pdu> pdu);
  void on_facility(View<codec::h225::FacilityUUIE> facility);
  void on_connect();
  void end(const std::string& why);

  void listen_for_control();
  void connect_control(const TransportAddress& to);
  void use_control(std::unique_ptr<net::Stream> stream);
  net::Stream::Handler control_handler();
  void send_control(Buffer message);
  void begin_control_after_connect();
  void complain(std::string what);

  CallHost& host_;
  const Settings& settings_;
  std::uint64_t id_;
  bool caller_ = true;
  State state_ = State::Admitting;
  std::string called_, calling_, refusal_, keypad_;
  std::optional<codec::q931::CauseValue> cause_;
  std::uint16_t reference_ = 0;
  std::array<std::uint8_t, 16> identifier_{}, conference_{};
  std::optional<TransportAddress> target_;

  std::unique_ptr<net::Stream> stream_;
  codec::q931::TpktReader reader_;
  Buffer pending_;  // packets that are collected into one segment
  std::unique_ptr<net::Timer> collect_timer_, answer_timer_, close_timer_;

  std::unique_ptr<Media> media_;
  std::unique_ptr<Control> control_;
  bool tunnels_ = false;           // as far as both sides have said
  bool gathers_control_ = false;   // H.245 messages go along with the next message of signalling
  std::vector<Buffer> tunnelled_;  // H.245 messages that are still to go
  std::unique_ptr<net::Listener> control_listener_;
  std::unique_ptr<net::Stream> control_stream_;
  codec::q931::TpktReader control_reader_;
  bool control_connected_ = false;

  std::vector<Buffer> offered_;  // by the caller, in Setup
  std::vector<Buffer> fast_answer_;
  bool fast_connected_ = false;
  std::vector<std::string> complaints_;
  std::optional<TimePoint> setup_at_, connected_at_;
};

constexpr std::string_view name(Call::State state) {
  constexpr std::array<std::string_view, 6> kNames = {"admitting", "calling",   "proceeding",
                                                      "ringing",   "connected", "ended"};
  return kNames.at(static_cast<std::size_t>(state));
}

}  // namespace sallyport::h323_endpoint
