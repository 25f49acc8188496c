// What becomes of each MGCP message: a command finds its gateway or call agent, is written as that
// one is to see it, and goes on; its answer comes back the same way. The messages of one datagram
// are taken in their order, each when the one before it has gone on.
//
//   relay.cc           datagrams, repetitions, refusals, what is passed on
//   relay_commands.cc  commands of call agents to gateways, and of gateways to call agents
//   relay_answers.cc   answers, both ways
//
// Towards a gateway: its endpoint has the domain that it gave itself, NotifiedEntity is our own
// address there (what it said is kept), remote descriptions show our near ports. Towards a call
// agent: the domain that call agents know, NotifiedEntity as it was, local descriptions with our
// far ports; and no private address anywhere. Brain's thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/mgcp/call_agents.h"
#include "adapter/mgcp/connections.h"
#include "adapter/mgcp/gateways.h"
#include "adapter/mgcp/restarts.h"
#include "adapter/mgcp/stack.h"
#include "adapter/mgcp/transactions.h"
#include "codec/mgcp/message.h"
#include "codec/mgcp/names.h"

namespace sallyport::adapter::mgcp {

// RFC 3435 2.4: the return codes that are ours to give.
enum class Refusal : int {
  NoResourcesNow = 403,
  UnknownEndpoint = 500,
  NotReady = 501,
  NoResources = 502,
  UnknownCommand = 504,
  BadRemoteDescription = 505,
  ProtocolError = 510,
};
std::string_view commentary(Refusal refusal);

class Relay {
 public:
  Relay(Stack& stack, Gateways& gateways, CallAgents& call_agents, Transactions& transactions,
        Connections& connections);

  void on_datagram(const Peer& from, std::string_view datagram, Commands& out);
  // The parties of every connection are told that it is over.
  void end_all(Commands& out);

 private:
  using Message = codec::mgcp::Message;
  using Editor = codec::mgcp::Editor;

  // A datagram under way.
  struct Batch {
    Peer from;
    std::string text;
    std::vector<std::string_view> messages;
    std::size_t next = 0;
  };
  using BatchPtr = std::shared_ptr<Batch>;
  enum class Progress : std::uint8_t {
    Done,   // the next message can be taken
    Waits,  // go_on() will be called when it can
    Stop,   // the messages behind it wait already
  };

  void go_on(const BatchPtr& batch, Commands& out);
  Progress take(const BatchPtr& batch, std::string_view text, Commands& out);
  Progress on_command(const BatchPtr& batch, const Message& command, Commands& out);
  void on_malformed(const Peer& from, std::string_view text, const Error& why, Commands& out);
  Progress repeat(Transaction& transaction, Commands& out);
  void pass_on(Transaction& transaction, Commands& out);
  void answer(Transaction& transaction, std::string text, bool is_final, Commands& out);
  void refuse(Transaction& transaction, Refusal refusal, Commands& out);
  void refuse_unkept(const Peer& to, TransactionId id, Refusal refusal, Commands& out);

  // relay_commands.cc
  Progress to_gateway(const BatchPtr& batch, const Message& command, Transaction& transaction,
                      Commands& out);
  Progress open_media(const BatchPtr& batch, const Message& command, const Gateway& gateway,
                      Transaction& transaction, Commands& out);
  void on_media_open(TransactionId ours, bool ok, Commands& out);
  Progress to_call_agent(const BatchPtr& batch, const Message& command, Transaction& transaction,
                         Commands& out);
  Progress on_target(const BatchPtr& batch, TransactionId ours, const CallAgents::Target& target,
                     Commands& out);
  Result<std::string> own_name_for(std::string_view notified, const Gateway& gateway) const;

  // relay_answers.cc
  void on_answer(const Peer& from, const Message& answer, Commands& out);
  void on_acknowledgement(const Peer& from, const Message& acknowledgement, Commands& out);
  void from_gateway(Transaction& transaction, const Message& message, Commands& out);
  void write_to_call_agent(TransactionId ours, const std::string& text, Commands& out);
  void on_connection_answer(Transaction& transaction, const Message& answer, Gateway& gateway,
                            std::string_view local, Commands& out);
  void write_descriptions(const Transaction& transaction, const Message& answer,
                          Editor& edit) const;
  void from_call_agent(Transaction& transaction, const Message& message, Commands& out);

  // For call agents: the entity that the gateway names by our address.
  std::string entity_of(const Gateway& gateway, std::string_view local) const;
  // Without the private addresses and that of the gateway; ours in their place.
  std::string without_addresses(std::string_view text, const Gateway& gateway,
                                const IpAddress& shown) const;
  // What stands for a hidden address towards that call agent.
  IpAddress shown_to(const Peer& call_agent) const;

  Stack& stack_;
  Gateways& gateways_;
  CallAgents& call_agents_;
  Transactions& transactions_;
  Connections& connections_;
  Restarts restarts_;
};

}  // namespace sallyport::adapter::mgcp
