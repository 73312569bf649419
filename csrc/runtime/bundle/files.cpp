#include "runtime/bundle/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mapt {

namespace {

constexpr std::size_t kBlock = 1 << 20;

// A descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int handle) : handle_(handle) {}
  ~Descriptor() {
    if (handle_ >= 0) close(handle_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return handle_; }

 private:
  int handle_;
};

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "something else";
}

[[noreturn]] void fail(int error) {
  throw FileError{error == ENXIO ? "it is a socket or a device" : std::strerror(error)};
}

int open_regular(const std::string& path, struct stat& about) {
  const int handle = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (handle < 0) fail(errno);
  if (fstat(handle, &about) != 0) {
    const int error = errno;
    close(handle);
    fail(error);
  }
  if (!S_ISREG(about.st_mode)) {
    close(handle);
    throw FileError{std::string("it is ") + kind_of(about.st_mode) + ", not a regular file"};
  }
  return handle;
}

// Reads up to `size` bytes; fewer at the end of the file.
std::size_t read_some(int handle, char* to, std::size_t size) {
  for (;;) {
    const ssize_t got = read(handle, to, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) fail(errno);
  }
}

}  // namespace

Bytes read_regular(const std::string& path, const std::function<void(std::size_t)>& check) {
  struct stat about{};
  const Descriptor file(open_regular(path, about));
  const auto size = static_cast<std::size_t>(about.st_size);
  if (check) check(size);
  Bytes content(size, '\0');
  std::size_t at = 0;
  while (at < content.size()) {
    const std::size_t got = read_some(file.get(), content.data() + at, content.size() - at);
    if (got == 0) break;
    at += got;
  }
  content.resize(at);
  return content;
}

void read_blocks(const std::string& path, const std::function<void(std::string_view)>& take) {
  struct stat about{};
  const Descriptor file(open_regular(path, about));
  Bytes block(kBlock, '\0');
  while (const std::size_t got = read_some(file.get(), block.data(), block.size())) take({block.data(), got});
}

bool is_file(const std::string& path) {
  struct stat about{};
  if (stat(path.c_str(), &about) == 0) return S_ISREG(about.st_mode);
  if (errno == ENOENT || errno == ENOTDIR || errno == EBADF || errno == ELOOP) return false;
  fail(errno);
}

std::string normal_path(std::string_view path) {
  std::string out = path.substr(0, 1) == "/" ? "/" : "";
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (!part.empty() && part != ".") out = joined(out, part);
    at = end + 1;
  }
  return out.empty() ? "." : out;
}

std::string joined(const std::string& folder, std::string_view name) {
  if (folder.empty() || folder == ".") return std::string(name);
  return folder + (folder.back() == '/' ? "" : "/") + std::string(name);
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? (path == "." ? "" : path) : path.substr(slash + 1);
}

}  // namespace mapt
