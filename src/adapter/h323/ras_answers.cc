#include "adapter/h323/ras_answers.h"

#include <functional>
#include <string_view>

namespace sallyport::adapter::h323 {

RasAnswers::Seen RasAnswers::on_request(const Key& key, Bytes request, TimePoint now) {
  forget(now);
  const std::uint64_t digest = std::hash<std::string_view>{}(as_text(request));
  const auto known = entries_.find(key);
  if (known != entries_.end() && known->second.digest == digest)
    return known->second.answer ? Seen::Answered : Seen::Waiting;
  entries_[key] = {.digest = digest, .number = ++last_number_, .answer = {}};
  ages_.push_back({key, last_number_, now});
  return Seen::New;
}

Bytes RasAnswers::answer(const Key& key) const {
  const auto it = entries_.find(key);
  return it == entries_.end() || !it->second.answer ? Bytes{} : Bytes{*it->second.answer};
}

void RasAnswers::on_answered(const Key& key, Bytes answer) {
  const auto it = entries_.find(key);
  if (it != entries_.end()) it->second.answer = to_buffer(answer);
}

void RasAnswers::forget(TimePoint now) {
  while (!ages_.empty() && (now - ages_.front().came > kLife || ages_.size() >= kMost)) {
    const auto it = entries_.find(ages_.front().key);
    if (it != entries_.end() && it->second.number == ages_.front().number) entries_.erase(it);
    ages_.pop_front();
  }
}

}  // namespace sallyport::adapter::h323
