// A REGISTER as a value (RFC 3261 10.2, with Path, outbound and GRUU): what it asks for, and how
// that meets the bindings that are there. Both the own registrar and the relay read it so. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapter/sip/hop.h"
#include "adapter/sip/registration_config.h"
#include "brain/registrations.h"
#include "codec/sip/message.h"

namespace sallyport::adapter::sip {

struct WantedContact {
  std::string uri;       // octet for octet
  std::string text;      // the whole element, with its parameters
  std::string instance;  // "<urn:uuid:...>", empty if none
  std::uint32_t reg_id = 0;
  seconds expires{0};
  std::uint16_t preference = 1000;
};

struct RegisterRequest {
  std::string call_id;
  std::uint32_t cseq = 0;
  bool remove_all = false;  // Contact: *
  std::vector<WantedContact> contacts;
  bool gruu = false, outbound = false;  // as Supported says
  std::string path;                     // the Path values as a list, in their order
  std::string user_agent;

  // BadValue: a 400 says what. `message` has passed validate().
  static Result<RegisterRequest> parse(const wire::Message& message, seconds default_expires);
};

// The key under which this contact is kept: its device's if it says which one it is, else that of
// the binding whose URI is equivalent (RFC 3261 10.3 step 7), else its URI. A private address is
// another one in each network: the same URI from another site is another contact.
std::string binding_key(const WantedContact& contact, bool outbound, const Hop& from,
                        const std::vector<brain::Binding>& present);

// Keys of bindings that the same terminal left behind when it was restarted and came back on
// another port: the same user and host in the contact, the same source host and software, and
// another Call-ID. They would ring into the void until they run out.
std::vector<std::string> left_behind(const RegisterRequest& request, const WantedContact& contact,
                                     const Hop& from, const std::vector<brain::Binding>& present);

// The binding for it, without handle and route.
brain::Binding make_binding(const RegisterRequest& request, const WantedContact& contact,
                            const Hop& from, const std::string& identity, std::string key,
                            WallTime expires);

// Is this the terminal's own request repeated or overtaken? RFC 3261 10.3 step 7: the same Call-ID
// with a CSeq that is not higher aborts the update.
bool is_out_of_order(const RegisterRequest& request, const brain::Binding& binding);

// Does this binding stand where the terminal stands that asks? Only then may it see the contact.
bool is_neighbour(const brain::Binding& binding, const Hop& from);

// reg-id of a binding's key, as a parameter to be shown (";reg-id=1"), or nothing.
std::string reg_id_parameter(const brain::Binding& binding);

}  // namespace sallyport::adapter::sip
