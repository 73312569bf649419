// The form of a manifest; `runtime/bundle/schema.py`. Values that only together make sense are checked in values.h.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/bundle/json_text.h"

namespace mapt {

struct GraphEntry {
  std::string file, sha256, precision;
};

struct EngineEntry {
  std::string file, sha256, library, status;
};

struct Manifest {
  std::string name;  // of one size among several: "384x672", perhaps with the lowering behind it
  std::string id, preset, lowering, precision;
  std::int64_t height = 0, width = 0;
  std::vector<std::string> classes;
  Json things, sizes, thresholds, needed;  // checked where they are used
  std::map<std::string, std::int64_t> operators;
  std::map<std::string, GraphEntry> subgraphs;
  std::map<std::string, std::string> files;                           // SHA-256 by name
  std::map<std::string, std::map<std::string, EngineEntry>> engines;  // by target and subgraph
  Json pair_limit, pair_sums;                                         // of int8

  std::string size() const { return std::to_string(height) + "x" + std::to_string(width); }
};

struct SizesManifest {
  bool several = false;                      // else `inputs` has one entry without a name
  std::string licence;                       // of the weights
  std::map<std::string, std::string> files;  // that all sizes share
  std::vector<Manifest> inputs;              // the default first
};

// A manifest from the content of its file. Throws InputError where a key is unknown or missing, or a value is of the
// wrong type.
SizesManifest parse_manifest(const std::string& path, const Json& values);

}  // namespace mapt
