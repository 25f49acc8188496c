// What one relay of several knows of flows that are with others (neighbours.h): by token, where it
// would be looked for here first; by source, where what comes from there comes here. Found in
// constant time; entries come and go with flows and their bindings, not with packets. Used by
// Relay, on its thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <optional>
#include <utility>

#include "media/neighbours.h"
#include "media/place_index.h"

namespace sallyport::media {

class Directory {
 public:
  struct Holder {
    ComponentName flow;
    Core core = 0;
  };

  explicit Directory(std::uint64_t seed) : tokens_(0, Hash{seed}), sources_(0, Hash{seed}) {}

  void redirect(const Token& token, Core core) { tokens_[token] = core; }
  void forget(const Token& token) { tokens_.erase(token); }
  std::optional<Core> find(const Token& token) const {
    const auto it = tokens_.find(token);
    if (it == tokens_.end()) return std::nullopt;
    return it->second;
  }

  // Who had that source before.
  std::optional<Holder> set(SocketId socket, const TransportAddress& source, const Holder& holder) {
    const auto [it, is_new] = sources_.try_emplace({socket, source}, holder);
    if (is_new) return std::nullopt;
    return std::exchange(it->second, holder);
  }
  // If it is still that flow, at that core.
  void release(SocketId socket, const TransportAddress& source, const Holder& holder) {
    const auto it = sources_.find({socket, source});
    if (it != sources_.end() && it->second.flow == holder.flow && it->second.core == holder.core)
      sources_.erase(it);
  }
  std::optional<Holder> take(SocketId socket, const TransportAddress& source) {
    const auto it = sources_.find({socket, source});
    if (it == sources_.end()) return std::nullopt;
    const Holder out = it->second;
    sources_.erase(it);
    return out;
  }
  const Holder* find(SocketId socket, const TransportAddress& source) const {
    const auto it = sources_.find({socket, source});
    return it == sources_.end() ? nullptr : &it->second;
  }

 private:
  using Source = std::pair<SocketId, TransportAddress>;

  // Seeded: nobody outside can choose keys that collide.
  struct Hash {
    std::uint64_t seed = 0;
    std::size_t operator()(const Token& token) const { return hash_octets(token.data(), 0, seed); }
    std::size_t operator()(const Source& source) const {
      return hash_octets(source.second.ip.padded_octets().data(),
                         std::uint64_t{source.first.value} << 16U | source.second.port, seed);
    }
  };

  boost::unordered_flat_map<Token, Core, Hash> tokens_;
  boost::unordered_flat_map<Source, Holder, Hash> sources_;
};

}  // namespace sallyport::media
