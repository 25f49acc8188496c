#include "admin/admin_server.h"

#include <boost/json.hpp>
#include <utility>

#include "base/file.h"

namespace sallyport::admin {

namespace json = boost::json;

struct AdminServer::Connection {
  std::unique_ptr<net::Stream> stream;
  std::string input;
  std::uint64_t request = 0;  // the one that is being answered
  std::uint64_t answered = 0;
  bool scheduled = false;  // the next one will be looked at
  bool ended = false;      // no more will come
};

namespace {

json::object error_object(Errc code, std::string_view what) {
  return {{"ok", false}, {"error", {{"code", name(code)}, {"what", what}}}};
}

}  // namespace

void Reply::ok(const json::value& result) const {
  if (const auto server = server_.lock())
    (*server)->answer(connection_, request_, {{"ok", true}, {"result", result}});
}

void Reply::error(Errc code, std::string_view what) const {
  if (const auto server = server_.lock())
    (*server)->answer(connection_, request_, error_object(code, what));
}

AdminServer::AdminServer(net::Network& network, Log& log) : network_(network), log_(log) {}

AdminServer::~AdminServer() = default;

void AdminServer::add(const std::string& command, Handler handler) {
  handlers_[command] = std::move(handler);
}

Result<void> AdminServer::listen(net::HostNetwork& network, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash != 0)
    if (const auto made = make_folder(path.substr(0, slash)); !made) return made;
  auto listener = network.listen_unix(
      path, [this](std::unique_ptr<net::Stream> stream) { serve(std::move(stream)); });
  if (!listener) return tl::make_unexpected(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void AdminServer::serve(std::unique_ptr<net::Stream> stream) {
  if (connections_.size() >= kMaxConnections) return;  // closed as it goes
  const std::uint64_t id = ++last_id_;
  auto& connection = *connections_.emplace(id, std::make_unique<Connection>()).first->second;
  connection.stream = std::move(stream);
  net::Stream::Handler handler;
  handler.on_received = [this, id](Bytes octets) { on_received(id, octets); };
  handler.on_half_closed = [this, id] {
    const auto it = connections_.find(id);
    if (it == connections_.end()) return;
    it->second->ended = true;
    next_request(id);
  };
  handler.on_closed = [this, id](const Error&) { end(id); };
  connection.stream->set_handler(std::move(handler));
}

void AdminServer::on_received(std::uint64_t id, Bytes octets) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  Connection& connection = *it->second;
  connection.input += as_text(octets);
  // What is more than one request waits in the kernel until what is here is answered.
  if (connection.input.size() > kMaxRequest) connection.stream->pause_reading(true);
  next_request(id);
}

// From the loop, so that many requests in one read, answered at once, are no recursion.
void AdminServer::next_request(std::uint64_t id) {
  Connection& connection = *connections_.at(id);
  if (connection.request != connection.answered) return;
  if (std::exchange(connection.scheduled, true)) return;
  network_.post([id, self = std::weak_ptr<AdminServer*>{self_}] {
    const auto server = self.lock();
    if (!server) return;
    const auto it = (*server)->connections_.find(id);
    if (it == (*server)->connections_.end()) return;
    Connection& next = *it->second;
    next.scheduled = false;
    const std::size_t end_of_line = next.input.find('\n');
    if (end_of_line <= kMaxRequest) {  // npos is more
      const std::string line = next.input.substr(0, end_of_line);
      next.input.erase(0, end_of_line + 1);
      return (*server)->perform(id, ++next.request, line);
    }
    if (next.input.size() > kMaxRequest) {
      next.ended = true;
      next.input.clear();
      return (*server)->answer(id, ++next.request,
                               error_object(Errc::Exhausted, "the request is longer than 64 KiB"));
    }
    if (next.ended) return (*server)->end(id);
    next.stream->pause_reading(false);
  });
}

void AdminServer::perform(std::uint64_t id, std::uint64_t request, std::string_view line) {
  json::parse_options options;
  options.max_depth = 8;
  json::error_code error;
  const json::value asked = json::parse(line, error, {}, options);
  if (error || !asked.is_object())
    return answer(id, request, error_object(Errc::BadValue, "the request is not a JSON object"));
  const std::string command = text_argument(asked.get_object(), "command");
  const auto handler = handlers_.find(command);
  if (handler == handlers_.end())
    return answer(id, request, error_object(Errc::Unsupported, "no such command here"));
  const json::value* given = asked.get_object().if_contains("arguments");
  const json::object none;
  const json::object& arguments =
      given != nullptr && given->is_object() ? given->get_object() : none;
  log_.debug("admin command", {{"command", command}});
  handler->second(arguments, Reply{self_, id, request});
}

void AdminServer::answer(std::uint64_t id, std::uint64_t request, const json::object& reply) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  Connection& connection = *it->second;
  if (connection.request != request || connection.answered == request) return;
  connection.answered = request;
  connection.stream->send(as_bytes(json::serialize(reply) + "\n"));
  next_request(id);
}

// Not at once: this may be called from a handler of the very stream.
void AdminServer::end(std::uint64_t id) {
  network_.post([id, self = std::weak_ptr<AdminServer*>{self_}] {
    if (const auto server = self.lock()) (*server)->connections_.erase(id);
  });
}

std::string text_argument(const json::object& arguments, std::string_view name) {
  const json::value* value = arguments.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return std::string{value->get_string()};
}

std::int64_t integer_argument(const json::object& arguments, std::string_view name) {
  const json::value* value = arguments.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

bool flag_argument(const json::object& arguments, std::string_view name) {
  const json::value* value = arguments.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

}  // namespace sallyport::admin
