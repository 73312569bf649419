// Reads the files of a bundle and checks their paths and hashes; `runtime/bundle/contents.py`.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/bundle/files.h"

namespace mapt {

// The files that a manifest names with their stated SHA-256, in the manifest's order.
class NamedFiles {
 public:
  // A name that comes again keeps its place and gets the later hash.
  void add(const std::string& path, const std::string& sha256);
  const std::vector<std::pair<std::string, std::string>>& all() const { return files_; }
  // The stated hash of a file that was added.
  const std::string& digest(const std::string& path) const;

 private:
  std::vector<std::pair<std::string, std::string>> files_;
  std::map<std::string, std::size_t> places_;  // in `files_`, by path
};

// The path of a file that a manifest names: beside or below the manifest, by name. Throws InputError where the name
// climbs out of the folder, or is none.
std::string inside(const std::string& manifest, const std::string& name);

// Refuses what is no regular file. Throws InputError.
void require_file(const std::string& path);

// Hashes every file and compares it with its stated hash.
//
// Returns the bytes of the files in `keep`, which are those that were hashed. Files in `graphs` refer to `parameters`,
// where there are any; their hash is that of the graph with its parameters inside. Throws InputError.
std::map<std::string, Bytes> read_contents(const NamedFiles& files, const std::set<std::string>& keep,
                                           const std::set<std::string>& graphs,
                                           const std::optional<std::string>& parameters);

}  // namespace mapt
