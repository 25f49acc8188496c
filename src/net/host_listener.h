// Listeners of HostNetwork: TCP, TLS and Unix-domain. Internal to net/.
#pragma once

#include <memory>
#include <string>

#include "net/host_stream.h"

namespace sallyport::net {

Result<std::unique_ptr<Listener>> listen_tcp(StreamSettings& settings,
                                             const TransportAddress& local,
                                             const ListenOptions& options,
                                             Network::OnAccepted on_accepted);
Result<std::unique_ptr<Listener>> listen_unix(StreamSettings& settings, const std::string& path,
                                              Network::OnAccepted on_accepted);

}  // namespace sallyport::net
