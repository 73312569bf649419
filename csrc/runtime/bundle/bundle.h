// Reads and checks a bundle; every file of it is hashed before any is used; `runtime/bundle/manifest.py`.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/bundle/files.h"
#include "runtime/bundle/input_sizes.h"
#include "runtime/core/model_info.h"

namespace mapt {

// A file of a bundle, with the bytes whose SHA-256 the manifest states.
struct BundleFile {
  std::string path;
  Bytes content;
  std::string sha256;  // of the content
};

// A TensorRT engine, which only the library that built it loads.
struct EngineFile {
  std::string path, library;
  Bytes content;  // of the target that was asked for; empty of others
};

struct Bundle {
  std::string folder;   // of one size
  std::string weights;  // that it was exported from, which may have been left out
  std::string id;
  ModelInfo info;
  std::string lowering;
  std::map<std::string, BundleFile> graphs;  // by subgraph, with their parameters inside
  std::map<std::string, std::string> precisions;
  std::map<std::string, std::int64_t> operators;                     // version of every domain that is not ONNX's own
  std::map<std::string, std::string> needed;                         // the lowest version of each library
  std::map<std::string, std::map<std::string, EngineFile>> engines;  // by target ("sm86") and subgraph
  std::optional<BundleFile> golden;
};

struct BundleRequest {
  std::string folder;                // the bundle, or BUNDLE/HxW for one of several sizes
  std::optional<std::string> trust;  // public Ed25519 key (PEM) that must have signed the manifest
  std::string onnxruntime;           // the version that will run it, by which a lowering is chosen
  std::string target;                // the GPU whose engines are kept, "sm86"; empty: none
};

// Throws InputError: not a bundle, no such size or key, a missing or wrong signature, an unknown format, key or value,
// a changed manifest, a path outside the folder, a missing or changed file.
Bundle read_bundle(const BundleRequest& request);

// What a bundle offers before it is loaded: every input size, the default first. Throws as `read_bundle`.
struct OfferedSizes {
  std::vector<Size> sizes;
  bool several = false;  // the bundle has a folder for each of them
};
OfferedSizes read_sizes(const BundleRequest& request);

}  // namespace mapt
