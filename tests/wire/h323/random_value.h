// Random values of any type in a schema, and how Erlang's asn1 application writes a value: what
// per_judge gives to that encoder.
#pragma once

#include <map>
#include <random>
#include <string>

#include "codec/per/message.h"

namespace sallyport::tests {

class RandomValues {
 public:
  // With `large`, strings and lists without bounds may be long enough to be sent in fragments.
  RandomValues(std::uint64_t seed, bool large) : random_(seed), large_(large) {}

  // Makes `message` a value of `type`.
  void fill(codec::per::Message& message, const codec::per::Type& type);

 private:
  using Type = codec::per::Type;
  using NodeEdit = codec::per::NodeEdit;

  void fill(NodeEdit edit, unsigned depth);
  void fill_sequence(NodeEdit edit, const Type& type, unsigned depth);
  void fill_choice(NodeEdit edit, const Type& type, unsigned depth);
  std::int64_t integer(const Type& type);
  std::uint64_t size(const Type& type, bool sparing);
  std::uint64_t below(std::uint64_t count) {
    return std::uniform_int_distribution<std::uint64_t>{0, count - 1}(random_);
  }
  bool chance(unsigned percent) { return below(100) < percent; }
  // The least depth of any value of the type: the way out of types that hold themselves.
  unsigned height(const Type& type);

  std::mt19937_64 random_;
  bool large_;
  std::uint64_t left_ = 0;  // values that the message may still grow by
  std::map<const Type*, unsigned> heights_;
};

// As encode/2 and decode/2 of a module compiled with `maps` have it.
std::string erlang_term(codec::per::Node node);

}  // namespace sallyport::tests
