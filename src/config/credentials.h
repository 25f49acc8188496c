// A file of credentials that this server answers an upstream registrar's challenges with: lines
// "user authentication-name password", separated by white space; a line that begins with '#'
// is a comment. The file must be readable by its owner only.
#pragma once

#include <map>
#include <string>

#include "config/toml_reader.h"

namespace sallyport::config {

struct Credential {
  std::string name;  // what the registrar knows the user as
  std::string password;
};

// By user (the user part of the address of record). What is wrong becomes problems with file and
// line, without the secret.
std::map<std::string, Credential> read_credentials(const std::string& file, Problems& problems);

}  // namespace sallyport::config
