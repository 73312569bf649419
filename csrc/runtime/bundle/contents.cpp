#include "runtime/bundle/contents.h"

#include "runtime/bundle/errors.h"
#include "runtime/bundle/parameters.h"
#include "runtime/bundle/sha256.h"
#include "runtime/bundle/values.h"

namespace mapt {

namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 32;  // bytes of a file that is kept

InputError unreadable(const std::string& path, const FileError& error) {
  return InputError(path + ": cannot be read (" + error.reason + "); check its permissions, or copy the bundle again");
}

void compare(const std::string& path, const std::string& found, const std::string& stated) {
  if (found != stated)
    throw InputError(path + ": its SHA-256 differs from the manifest's; the file was changed, export it again");
}

Bytes read_kept(const std::string& path) {
  try {
    return read_regular(path, [&](std::size_t size) {
      if (size > kMostBytes)
        throw InputError(path + ": has " + std::to_string(size) + " bytes, more than any bundle's; export it again");
    });
  } catch (const FileError& error) {
    throw unreadable(path, error);
  }
}

std::string hash_of(const std::string& path) {
  Sha256 digest;
  try {
    read_blocks(path, [&](std::string_view block) { digest.update(block); });
  } catch (const FileError& error) {
    throw unreadable(path, error);
  }
  return digest.hex();
}

bool climbs(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.find('\\') != std::string::npos) return true;
  if (normal_path(name) == ".") return true;
  const std::string parts = "/" + name + "/";
  return parts.find("/../") != std::string::npos;
}

}  // namespace

void NamedFiles::add(const std::string& path, const std::string& sha256) {
  const auto at = places_.find(path);
  if (at == places_.end()) {
    places_[path] = files_.size();
    files_.emplace_back(path, sha256);
  } else {
    files_[at->second].second = sha256;
  }
}

const std::string& NamedFiles::digest(const std::string& path) const { return files_[places_.at(path)].second; }

std::string inside(const std::string& manifest, const std::string& name) {
  if (!is_printable(name))
    throw InputError(manifest + ": names " + repr_of(name) + ", which is no file name; do not use this bundle");
  if (climbs(name))
    throw InputError(manifest + ": names " + repr_of(name) + ", which is outside the bundle; do not use this bundle");
  return joined(parent_of(manifest), normal_path(name));
}

void require_file(const std::string& path) {
  bool found = false;
  try {
    found = is_file(path);
  } catch (const FileError& error) {
    throw unreadable(path, error);
  }
  if (!found) throw InputError(path + ": is named in the manifest but missing; export or copy the bundle again");
}

std::map<std::string, Bytes> read_contents(const NamedFiles& files, const std::set<std::string>& keep,
                                           const std::set<std::string>& graphs,
                                           const std::optional<std::string>& parameters) {
  std::map<std::string, Bytes> kept;
  Bytes shared;
  if (parameters) {
    shared = read_kept(*parameters);
    for (const auto& [path, digest] : files.all())
      if (path == *parameters) compare(path, sha256_hex(shared), digest);
  }
  for (const auto& [path, digest] : files.all()) {
    if (parameters && path == *parameters) continue;
    if (parameters && graphs.count(path)) {
      kept[path] = restore_parameters(path, read_kept(path), shared);
      compare(path, sha256_hex(kept[path]), digest);
    } else if (keep.count(path)) {
      kept[path] = read_kept(path);
      compare(path, sha256_hex(kept[path]), digest);
    } else {
      compare(path, hash_of(path), digest);
    }
  }
  return kept;
}

}  // namespace mapt
