#include "runtime/bundle/sealed.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "runtime/bundle/errors.h"
#include "runtime/bundle/format.h"
#include "runtime/bundle/sha256.h"
#include "runtime/core/contract.h"

namespace mapt {

namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 26;  // bytes

std::string seal(Json manifest) {
  manifest.erase("sha256");
  const std::string digest = sha256_hex(canonical(manifest) + "\n");
  manifest["sha256"] = digest;
  return canonical(manifest) + "\n";
}

bool is_one_of(const Json& manifest, const char* key, const std::vector<const char*>& known) {
  const auto found = manifest.find(key);
  return found != manifest.end() && found->is_string() &&
         std::any_of(known.begin(), known.end(), [&](const char* name) { return *found == name; });
}

// A path as a shell takes it.
std::string shell_quoted(const std::string& text) {
  constexpr char kPlain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\"'\"'") : std::string(1, c);
  return out + "'";
}

// How to convert an older bundle, by exporting the weights in it again.
std::string conversion(const std::string& path, const Json& manifest) {
  const std::string weights = joined(parent_of(path), kWeights);
  bool there = false;
  try {
    there = is_file(weights);
  } catch (const FileError&) {
  }
  if (!there) return "export it with this version";
  std::string command = "mapt export " + shell_quoted(weights) + " --out NEW";
  if (is_one_of(manifest, "lowering", {"custom", "gridsample"}))
    command += " --ops " + manifest["lowering"].get<std::string>();
  if (is_one_of(manifest, "precision", {"fp16", "int8"}))
    command += " --precision " + manifest["precision"].get<std::string>();
  return "convert it with `" + command + "`";
}

void check_format(const std::string& path, const Json& manifest) {
  if (!manifest.is_object()) throw InputError(path + ": is not a manifest; export the bundle again");
  const auto found = manifest.find("format");
  const Json format = found == manifest.end() ? Json() : *found;
  if (format.is_number_integer() && format > kBundleBatchFormat)
    throw InputError(path + ": has format " + shown(format) + ", newer than this version's " +
                     std::to_string(kBundleBatchFormat) + "; update mapt to read it");
  const bool known = format == kBundleFormat || format == kBundleSizesFormat || format == kBundleBatchFormat;
  if (!format.is_number_integer() || !known)
    throw InputError(path + ": has format " + shown(format) + ", this version reads " + std::to_string(kBundleFormat) +
                     ", " + std::to_string(kBundleSizesFormat) + " and " + std::to_string(kBundleBatchFormat) + "; " +
                     conversion(path, manifest));
}

}  // namespace

Bytes open_manifest(const std::string& path) {
  const std::string folder = parent_of(path);
  try {
    if (is_file(path))
      return read_regular(path, [&](std::size_t size) {
        if (size > kMostBytes) throw InputError(path + ": is too large for a manifest; export the bundle again");
      });
  } catch (const FileError& error) {
    throw InputError(path + ": cannot be read (" + error.reason + "); check its permissions");
  }
  throw InputError(folder + ": is not a bundle (no " + kManifest + "); make one with `mapt export WEIGHTS --out " +
                   folder + "`");
}

Json read_sealed(const std::string& path, const Bytes& data) {
  Json manifest;
  try {
    manifest = parse_json(data);
  } catch (const std::runtime_error& error) {
    throw InputError(path + ": is not valid JSON (" + error.what() + "); export the bundle again");
  }
  check_format(path, manifest);
  if (data != seal(manifest))
    throw InputError(path + ": differs from the SHA-256 that it states of itself; it was changed, export it again");
  return manifest;
}

}  // namespace mapt
