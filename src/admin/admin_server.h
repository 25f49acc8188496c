// The Unix socket through which people command a running server or agent. Requests and replies are
// JSON objects, one a line:
//
//   {"command":"invite","arguments":{"name":"branch"}}
//   {"ok":true,"result":{...}}
//   {"ok":false,"error":{"code":"not_found","what":"no agent of this name is enrolled"}}
//
// The socket's file has mode 0600: who may open it (root and the service's user) may do everything.
// Several requests may follow one another on a connection; each is answered before the next is
// looked at. Commands are registered by name at start-up. The network's thread, on which handlers
// run too.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/log.h"
#include "base/result.h"
#include "net/host_network.h"

namespace sallyport::admin {

constexpr std::size_t kMaxRequest = 65536;  // octets of a line
constexpr std::size_t kMaxConnections = 32;

class AdminServer;

// The answer to one request, to be given once, at once or later: until then the connection's next
// request waits. Given after its connection or its server has gone, it goes nowhere.
class Reply {
 public:
  Reply(std::weak_ptr<AdminServer*> server, std::uint64_t connection, std::uint64_t request)
      : server_(std::move(server)), connection_(connection), request_(request) {}

  void ok(const boost::json::value& result) const;
  void error(Errc code, std::string_view what) const;

 private:
  std::weak_ptr<AdminServer*> server_;
  std::uint64_t connection_;
  std::uint64_t request_;
};

class AdminServer {
 public:
  using Handler = std::function<void(const boost::json::object& arguments, const Reply& reply)>;

  // Both must outlive it.
  AdminServer(net::Network& network, Log& log);
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;
  ~AdminServer();

  void add(const std::string& command, Handler handler);
  // Makes the socket's folder if there is none. Errors as HostNetwork::listen_unix has them.
  Result<void> listen(net::HostNetwork& network, const std::string& path);
  // A connection that was accepted.
  void serve(std::unique_ptr<net::Stream> stream);

 private:
  friend class Reply;
  struct Connection;

  void on_received(std::uint64_t id, Bytes octets);
  void next_request(std::uint64_t id);
  void perform(std::uint64_t id, std::uint64_t request, std::string_view line);
  void answer(std::uint64_t id, std::uint64_t request, const boost::json::object& reply);
  void end(std::uint64_t id);

  net::Network& network_;
  Log& log_;
  std::map<std::string, Handler, std::less<>> handlers_;
  std::unique_ptr<net::Listener> listener_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::shared_ptr<AdminServer*> self_ = std::make_shared<AdminServer*>(this);
};

// A member of a command's arguments; empty or zero when it is absent or of another type.
std::string text_argument(const boost::json::object& arguments, std::string_view name);
std::int64_t integer_argument(const boost::json::object& arguments, std::string_view name);
bool flag_argument(const boost::json::object& arguments, std::string_view name);

}  // namespace sallyport::admin
