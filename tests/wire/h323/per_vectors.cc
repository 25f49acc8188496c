// Prints random values of every type of a schema, for another encoder to write the same:
//   per_vectors h323|shapes COUNT SEED [TYPE]
// A line is a type's name in ASN.1, the value as a term of Erlang, and our octets in hexadecimal,
// with tabs between. That we read our octets as what we wrote is seen to here.
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "base/hex.h"
#include "codec/h323/messages.h"
#include "wire/h323/random_value.h"
#include "wire/h323/shapes.schema.h"

namespace sallyport::tests {
namespace {

using codec::per::Definition;
using codec::per::Message;

struct Module {
  std::string prefix;
  std::span<const Definition> definitions;
};

int complain(std::string_view what, const std::string& name, const Buffer& octets) {
  std::fprintf(stderr, "%.*s: %s %s\n", static_cast<int>(what.size()), what.data(), name.c_str(),
               to_hex(octets).c_str());
  return 1;
}

int print_value(RandomValues& values, const std::string& name, const Definition& definition) {
  Message made;
  values.fill(made, *definition.type);
  Buffer octets;
  if (const auto written = made.encode(octets); !written)
    return complain(written.error().what, name, octets);
  // The term is of what was read, where octet strings that hold an encoding have their octets.
  Message read;
  if (const auto done =
          read.decode(*definition.type, octets, {.octets = 1U << 24U, .nodes = 1U << 20U});
      !done)
    return complain(done.error().what, name, octets);
  if (read.unreadable_count() != 0) return complain("unreadable", name, octets);
  Buffer again;
  if (!read.encode_anew(again) || again != octets) return complain("not the same", name, octets);
  std::printf("%s\t%s\t%s\n", name.c_str(), erlang_term(read.root()).c_str(),
              to_hex(octets).c_str());
  return 0;
}

int run(const std::string& set, unsigned count, unsigned seed, const std::string& only) {
  std::vector<Module> modules{{"SHAPES-", codec::shapes::kDefinitions}};
  if (set == "h323")
    modules = {{"H225-", codec::h225::kDefinitions},
               {"H235-", codec::h235::kDefinitions},
               {"H245-", codec::h245::kDefinitions},
               {"H460-", codec::h460::kDefinitions}};
  RandomValues values{seed, set == "shapes"};
  int status = 0;
  for (unsigned round = 0; round < count; ++round)
    for (const Module& module : modules)
      for (const Definition& definition : module.definitions)
        if (const std::string name = module.prefix + std::string{definition.name};
            only.empty() || only == name)
          status |= print_value(values, name, definition);
  return status;
}

}  // namespace
}  // namespace sallyport::tests

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "per_vectors h323|shapes COUNT SEED [TYPE]\n");
    return 2;
  }
  return sallyport::tests::run(argv[1], static_cast<unsigned>(std::stoul(argv[2])),
                               static_cast<unsigned>(std::stoul(argv[3])), argc > 4 ? argv[4] : "");
}
