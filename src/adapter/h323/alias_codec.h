// Aliases in H.225.0 messages (AliasAddress): read into values, and written from them. Values.
#pragma once

#include <optional>
#include <vector>

#include "adapter/h323/alias.h"
#include "codec/h323/h225.schema.h"

namespace sallyport::adapter::h323 {

// Nothing for those that name nobody who could be called here (mobile and ISUP numbers), and for
// what is not there.
std::optional<Alias> read_alias(codec::per::View<codec::h225::AliasAddress> from);
void write_alias(codec::per::Edit<codec::h225::AliasAddress> to, const Alias& alias);

using AliasList = codec::per::ListOf<codec::h225::AliasAddress>;
std::vector<Alias> read_aliases(codec::per::View<AliasList> from);
void write_aliases(codec::per::Edit<AliasList> to, const std::vector<Alias>& aliases);

}  // namespace sallyport::adapter::h323
