#include "h323_endpoint/endpoint.h"

#include <algorithm>
#include <utility>

namespace sallyport::h323_endpoint {

Endpoint::Endpoint(net::Network& network, const IpAddress& own, Settings settings, Random& random,
                   OnEvent on_event)
    : network_(network),
      own_(own),
      settings_(std::move(settings)),
      random_(random),
      on_event_(std::move(on_event)),
      next_port_(settings_.first_media_port),
      ras_(network, own, settings_, random,
           [this](const std::string& what, const std::string& detail) {
             if (what == "complaint") complaints_.push_back(detail);
             if (on_event_) on_event_(0, what, detail);
           }) {}

Endpoint::~Endpoint() = default;

void Endpoint::start() {
  auto listener = network_.listen(address(), {}, [this](std::unique_ptr<net::Stream> accepted) {
    calls_.push_back(std::make_unique<Call>(*this, next_id_++, std::move(accepted)));
  });
  if (!listener) {
    complaints_.emplace_back("the call signalling port is taken");
    return;
  }
  listener_ = std::move(*listener);
  if (settings_.gatekeeper) ras_.start();
}

Call& Endpoint::dial(const std::string& whom, const std::optional<TransportAddress>& address) {
  calls_.push_back(std::make_unique<Call>(*this, next_id_++));
  Call& call = *calls_.back();
  call.dial(whom, address);
  return call;
}

Call* Endpoint::find(std::uint64_t id) {
  const auto it = std::find_if(calls_.begin(), calls_.end(),
                               [&](const auto& call) { return call->id() == id; });
  return it == calls_.end() ? nullptr : it->get();
}

void Endpoint::forget_ended() {
  std::erase_if(calls_, [](const auto& call) { return call->state() == Call::State::Ended; });
}

std::vector<std::string> Endpoint::complaints() const {
  std::vector<std::string> out = complaints_;
  for (const auto& call : calls_)
    out.insert(out.end(), call->complaints().begin(), call->complaints().end());
  return out;
}

void Endpoint::admit(Call& call, std::function<void(const Admission&)> on_answer) {
  ras_.admit(call, std::move(on_answer));
}

void Endpoint::disengage(Call& call) { ras_.disengage(call); }

void Endpoint::on_event(Call& call, const std::string& what, const std::string& detail) {
  if (on_event_) on_event_(call.id(), what, detail);
}

}  // namespace sallyport::h323_endpoint
