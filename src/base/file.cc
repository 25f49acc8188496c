#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace sallyport {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view contents) {
  while (!contents.empty()) {
    const ssize_t n = ::write(fd, contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    contents.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) {
    if (errno == ENOENT) return fail(Errc::NotFound, "no such file");
    if (errno == EACCES) return fail(Errc::NotPermitted, "not allowed to read the file");
    return fail(Errc::System, "the file cannot be opened");
  }
  std::string out;
  char chunk[16384];
  for (;;) {
    const ssize_t n = ::read(file.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Errc::System, "the file cannot be read");
    if (n == 0) return out;
    out.append(chunk, static_cast<std::size_t>(n));
    if (out.size() > most) return fail(Errc::Exhausted, "the file is too long");
  }
}

Result<void> write_file(const std::string& path, std::string_view contents, unsigned mode) {
  std::string beside = path + ".XXXXXX";
  Descriptor file{::mkostemp(beside.data(), O_CLOEXEC)};
  if (!file) return fail(Errc::System, "no file can be made in its folder");
  const bool written = ::fchmod(file.get(), static_cast<mode_t>(mode)) == 0 &&
                       write_all(file.get(), contents) && ::fsync(file.get()) == 0 && file.close();
  if (!written || std::rename(beside.c_str(), path.c_str()) != 0) {
    ::unlink(beside.c_str());
    return fail(Errc::System, "the file cannot be written");
  }
  // The rename itself is durable only once the folder is.
  const Descriptor folder{::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder || ::fsync(folder.get()) != 0)
    return fail(Errc::System, "the file's folder cannot be synced");
  return {};
}

Result<void> make_folder(const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return fail(Errc::System, "the folder cannot be made");
    if (slash == std::string::npos) break;
  }
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0 || !S_ISDIR(about.st_mode))
    return fail(Errc::System, "it is not a folder");
  return {};
}

}  // namespace sallyport
