// The password's proof in a RAS message: H.235.1 (HMAC-SHA1-96 over all of it), the MD5 of
// cryptoEPPwdHash, or a Cisco access token. Stateless.
#pragma once

#include <string>

#include "base/random.h"
#include "base/time.h"
#include "codec/h323/messages.h"
#include "h323_endpoint/settings.h"

namespace sallyport::h323_endpoint {

// The encoded message, with the token that the settings ask for. Empty if it cannot be encoded.
Buffer prove(codec::per::Message& message, const Settings& settings, const std::string& gatekeeper,
             WallTime now, Random& random);

// GRQ: which procedure it is going to use.
void write_capability(codec::per::Edit<codec::h225::GatekeeperRequest> request,
                      const Settings& settings);

}  // namespace sallyport::h323_endpoint
