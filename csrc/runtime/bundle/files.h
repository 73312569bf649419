// Reads whole files, of regular files alone: a pipe or a device could be read for ever.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace mapt {

using Bytes = std::string;  // of a file

// What the system says of a file that cannot be opened or read.
struct FileError {
  std::string reason;
};

// The bytes of a regular file. `check` is given its size before anything is read, and may throw.
// Throws FileError where it cannot be opened or read, or is no regular file.
Bytes read_regular(const std::string& path, const std::function<void(std::size_t)>& check = {});

// Calls `take` with one block of a regular file after the other. Throws as `read_regular`.
void read_blocks(const std::string& path, const std::function<void(std::string_view)>& take);

// Whether there is a regular file, perhaps behind links. Throws FileError where the system does not say.
bool is_file(const std::string& path);

// Paths as Python's pathlib writes them: `a/b` without doubled, trailing or `.` parts.
std::string normal_path(std::string_view path);
std::string joined(const std::string& folder, std::string_view name);
std::string parent_of(const std::string& path);
std::string name_of(const std::string& path);

}  // namespace mapt
