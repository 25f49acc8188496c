#include "adapter/sip/dialog.h"

#include <utility>

namespace sallyport::adapter::sip {
namespace {

std::string key_of(Place place, std::string_view call_id, std::string_view from_tag,
                   std::string_view to_tag) {
  std::string key = std::to_string(place.agent.value);
  for (const std::string_view part : {call_id, from_tag, to_tag}) key.append("\n").append(part);
  return key;
}

std::string key_of(const Dialog& dialog, Side side) {
  return key_of(dialog.parties[side]->hop.place, dialog.names[side].call_id, dialog.tags[side],
                dialog.tags[other_side(side)]);
}

}  // namespace

void DialogTable::add(const DialogPtr& dialog) {
  dialog->id = DialogId{++next_id_};
  dialogs_[dialog->id] = dialog;
  for (const Side side : {kCaller, kCallee}) {
    by_key_[key_of(*dialog, side)] = {dialog, side};
    by_call_id_.emplace(dialog->names[side].call_id, dialog);
  }
}

void DialogTable::remove(const DialogPtr& dialog) {
  if (dialogs_.erase(dialog->id) == 0) return;
  for (const Side side : {kCaller, kCallee}) {
    const auto it = by_key_.find(key_of(*dialog, side));
    if (it != by_key_.end() && it->second.dialog == dialog) by_key_.erase(it);
  }
  for (const std::string& call_id :
       {dialog->names[kCaller].call_id, dialog->names[kCallee].call_id, dialog->alias}) {
    auto [first, last] = by_call_id_.equal_range(call_id);
    while (first != last) first = first->second == dialog ? by_call_id_.erase(first) : ++first;
  }
}

void DialogTable::set_alias(const DialogPtr& dialog, std::string call_id) {
  dialog->alias = std::move(call_id);
  by_call_id_.emplace(dialog->alias, dialog);
}

DialogTable::Found DialogTable::find(Place place, std::string_view call_id,
                                     std::string_view from_tag, std::string_view to_tag) const {
  const auto it = by_key_.find(key_of(place, call_id, from_tag, to_tag));
  return it == by_key_.end() ? Found{} : it->second;
}

DialogPtr DialogTable::find(DialogId id) const {
  const auto it = dialogs_.find(id);
  return it == dialogs_.end() ? nullptr : it->second;
}

DialogPtr DialogTable::find_named(std::string_view call_id, std::string_view one_tag,
                                  std::string_view other_tag) const {
  const auto [first, last] = by_call_id_.equal_range(std::string(call_id));
  for (auto it = first; it != last; ++it) {
    const auto& tags = it->second->tags;
    if ((tags[0] == one_tag && tags[1] == other_tag) ||
        (tags[1] == one_tag && tags[0] == other_tag))
      return it->second;
  }
  return nullptr;
}

std::vector<DialogPtr> DialogTable::of_place(Place place) const {
  std::vector<DialogPtr> found;
  for (const auto& [id, dialog] : dialogs_)
    for (const PartyPtr& party : dialog->parties)
      if (party->hop.place == place) {
        found.push_back(dialog);
        break;
      }
  return found;
}

void DialogTable::add_party(const PartyPtr& party) {
  // Swept whenever it has doubled, so that the dead never outnumber the living for long.
  if (parties_.size() >= sweep_at_) sweep_at_ = 2 * live_parties() + 64;
  parties_[party->token] = party;
}

PartyPtr DialogTable::find_party(std::string_view token) {
  const auto it = parties_.find(std::string(token));
  return it == parties_.end() ? nullptr : it->second.lock();
}

std::size_t DialogTable::live_parties() {
  std::erase_if(parties_, [](const auto& entry) { return entry.second.expired(); });
  return parties_.size();
}

}  // namespace sallyport::adapter::sip
