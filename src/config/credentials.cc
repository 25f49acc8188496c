#include "config/credentials.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace sallyport::config {

std::map<std::string, Credential> read_credentials(const std::string& file, Problems& problems) {
  std::map<std::string, Credential> out;
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) {
    problems.push_back({file, {}, std::string{"cannot be read: "} + std::strerror(errno)});
    return out;
  }
  if ((about.st_mode & 077U) != 0) {
    problems.push_back({file, {}, "others than its owner can read it; chmod 600 it"});
    return out;
  }
  std::ifstream in{file};
  std::string line;
  for (unsigned number = 1; std::getline(in, line); ++number) {
    std::istringstream words{line};
    std::string user;
    std::string rest;
    Credential credential;
    if (!(words >> user) || user.front() == '#') continue;
    if (!(words >> credential.name >> credential.password) || words >> rest) {
      problems.push_back({file, {number, 1}, "not \"user authentication-name password\""});
      continue;
    }
    if (!out.emplace(user, std::move(credential)).second)
      problems.push_back({file, {number, 1}, "'" + user + "' a second time"});
  }
  return out;
}

}  // namespace sallyport::config
