#include "adapter/h323/call_message.h"

#include <utility>

#include "adapter/h323/protocol.h"
#include "adapter/h323/tree.h"

namespace sallyport::adapter::h323 {
namespace {

namespace per = codec::per;
namespace h225 = codec::h225;
using Pdu = h225::H323UUPDU;

constexpr std::string_view kParallel = "parallelH245Control";

}  // namespace

Result<CallMessage> CallMessage::parse(Bytes octets) {
  auto q931 = codec::q931::Message::parse(octets);
  if (!q931) return tl::make_unexpected(q931.error());
  CallMessage message{std::move(*q931)};
  if (const auto user_user = message.q931_.user_user()) {
    const auto read = codec::h323::decode<h225::H323UserInformation>(*message.tree_, *user_user);
    if (!read) return tl::make_unexpected(read.error());
  }
  return message;
}

CallMessage::CallMessage(codec::q931::MessageType type, std::string_view body, const Guid& call)
    : CallMessage(codec::q931::Message{{.call_reference = {}, .type = type}}) {
  auto information = tree_->make<h225::H323UserInformation>();
  auto choice = information[h225::H323UserInformation::kH323UuPdu][Pdu::kH323MessageBody];
  choice.member(member_named(*Pdu::H323MessageBody::kSchema, body).value_or(0));
  set_tunnels(false);
  if (auto protocol = required("protocolIdentifier")) protocol->set_octets(kH225Version);
  if (auto identifier = required("callIdentifier"))
    per::Edit<h225::CallIdentifier>{*identifier}[h225::CallIdentifier::kGuid].set_octets(call);
  if (auto info = required("destinationInfo")) {
    per::Edit<h225::EndpointType> endpoint{*info};
    endpoint[h225::EndpointType::kMc].set(0);
    endpoint[h225::EndpointType::kUndefinedNode].set(0);
  }
  for (const std::string_view name : {"multipleCalls", "maintainConnection"})
    if (auto flag = required(name)) flag->set(0);
}

std::optional<per::NodeEdit> CallMessage::required(std::string_view name) {
  const per::Type& type = uuie().type();
  const auto member = member_named(type, name);
  if (!member || type.members[*member].optional) return std::nullopt;
  return tree_->edit(uuie()).member(*member);
}

per::View<Pdu> CallMessage::pdu() const {
  return tree_->root<h225::H323UserInformation>()[h225::H323UserInformation::kH323UuPdu];
}

per::Node CallMessage::uuie() const { return pdu()[Pdu::kH323MessageBody].chosen(); }

per::Node CallMessage::field(std::string_view name) const { return child_named(uuie(), name); }

std::optional<per::NodeEdit> CallMessage::edit(std::string_view name) {
  const per::Node of = uuie();
  if (!of) return std::nullopt;
  const auto member = member_named(of.type(), name);
  if (!member) return std::nullopt;
  return tree_->edit(of).member(*member);
}

void CallMessage::remove(std::string_view name) {
  const per::Node found = field(name);
  if (found) tree_->edit(uuie()).remove(found.member());
}

std::optional<bool> CallMessage::tunnels() const {
  const auto said = pdu()[Pdu::kH245Tunneling];
  if (!said) return std::nullopt;
  return said.boolean();
}

void CallMessage::set_tunnels(bool tunnels) {
  if (const auto of = pdu()) tree_->edit(of)[Pdu::kH245Tunneling].set(tunnels ? 1 : 0);
}

std::vector<per::Node> CallMessage::controls() const {
  std::vector<per::Node> found;
  for (const per::Node& list : {per::Node{pdu()[Pdu::kH245Control]}, field(kParallel)})
    for (auto each = list.first_child(); each; each = each.next()) found.push_back(each);
  return found;
}

void CallMessage::remove_controls() {
  remove(kParallel);
  if (pdu().has(Pdu::kH245Control)) tree_->edit(pdu()).remove(Pdu::kH245Control);
}

void CallMessage::add_control(Bytes control) {
  if (const auto of = pdu()) tree_->edit(of)[Pdu::kH245Control].append().set_octets(control);
}

std::optional<Buffer> CallMessage::encode() const {
  if (!has_uuie()) return q931_.encode();
  Buffer per;
  if (!tree_->encode(per)) return std::nullopt;
  codec::q931::Message message = q931_;
  message.set_user_user(per);
  return message.encode();
}

}  // namespace sallyport::adapter::h323
