#include "state_file.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace state_file {

std::int64_t restore(mapt_tracker* tracker, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::int64_t stamp_ns = -1;
  if (path.empty() || !file.read(reinterpret_cast<char*>(&stamp_ns), sizeof stamp_ns)) return -1;
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  mapt_error error;
  if (mapt_restore(tracker, bytes.data(), bytes.size(), &error) != MAPT_OK) throw std::runtime_error(error.text);
  return stamp_ns;
}

void save(const mapt_tracker* tracker, const std::string& path, std::int64_t stamp_ns) {
  if (path.empty()) return;
  std::string bytes(mapt_state_room(tracker), '\0');
  std::size_t size = 0;
  mapt_error error;
  if (mapt_save(tracker, &bytes[0], bytes.size(), &size, &error) != MAPT_OK) throw std::runtime_error(error.text);
  std::ofstream file(path + ".new", std::ios::binary);
  file.write(reinterpret_cast<const char*>(&stamp_ns), sizeof stamp_ns).write(bytes.data(), std::streamsize(size));
  file.close();
  if (!file || std::rename((path + ".new").c_str(), path.c_str()) != 0)
    throw std::runtime_error(path + ": cannot be written");
}

}  // namespace state_file
