// A call signalling message of H.225.0: Q.931 with a UUIE in it, read and written together. Most of
// what a gatekeeper looks at is in many UUIEs under one name (h245Address, fastStart,
// callIdentifier, ...), so they are asked for by name. Values.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "codec/h323/messages.h"
#include "codec/q931/message.h"

namespace sallyport::adapter::h323 {

using Guid = std::array<std::uint8_t, 16>;

class CallMessage {
 public:
  // Errors: what Q.931 or PER says of it. A message without a UUIE is one, too.
  static Result<CallMessage> parse(Bytes octets);
  // A message of ours about that call: the UUIE of that kind, by its name in h323-message-body
  // ("facility", "empty"), with what each must have.
  CallMessage(codec::q931::MessageType type, std::string_view body, const Guid& call);

  codec::q931::Message& q931() { return q931_; }
  const codec::q931::Message& q931() const { return q931_; }
  codec::q931::MessageType type() const { return q931_.type(); }
  codec::per::Message& tree() { return *tree_; }
  const codec::per::Message& tree() const { return *tree_; }
  bool has_uuie() const { return static_cast<bool>(tree_->root()); }

  codec::per::View<codec::h225::H323UUPDU> pdu() const;
  // The UUIE itself: Setup-UUIE, Connect-UUIE, ...; absent if there is none, or it is empty.
  codec::per::Node body() const { return uuie().first_child() ? uuie() : codec::per::Node{}; }
  bool is_empty() const { return uuie().name() == "empty"; }
  codec::per::Node field(std::string_view name) const;
  // Made if it is not there; nothing if this UUIE cannot have it.
  std::optional<codec::per::NodeEdit> edit(std::string_view name);
  void remove(std::string_view name);

  // What the sender says of tunnelling H.245; nothing: it knows no such thing (H.323 version 1).
  std::optional<bool> tunnels() const;
  void set_tunnels(bool tunnels);
  // The tunnelled messages, as they came; those of Setup's parallelH245Control as well.
  std::vector<codec::per::Node> controls() const;
  void remove_controls();
  void add_control(Bytes control);

  // Nothing: a value that its type does not allow, which would be our mistake.
  std::optional<Buffer> encode() const;

 private:
  explicit CallMessage(codec::q931::Message q931)
      : q931_(std::move(q931)), tree_(std::make_unique<codec::per::Message>()) {}
  codec::per::Node uuie() const;
  // To be filled in; nothing if this UUIE has no such component, or can do without.
  std::optional<codec::per::NodeEdit> required(std::string_view name);

  codec::q931::Message q931_;
  std::unique_ptr<codec::per::Message> tree_;  // where it is, its views stay good
};

}  // namespace sallyport::adapter::h323
