// ONNX Runtime, loaded when it is needed. Nothing is linked, so any release from 1.20 on serves.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "../../../third_party/onnxruntime/onnxruntime_c_api.h"

namespace mapt {

// What ONNX Runtime reports, as one line.
struct OrtError {
  std::string text;
};

class OrtLibrary {
 public:
  // Loads the library at `path`. An empty one means MAPT_ONNXRUNTIME of the environment, else the folder of this
  // library, the package `onnxruntime` beside the package `mapt`, and the loader's own places. Throws InputError.
  static std::shared_ptr<const OrtLibrary> open(const std::string& path);

  const OrtApi& api() const { return *api_; }
  const OrtApiBase* base() const { return base_; }
  OrtEnv* environment() const { return environment_; }
  const std::string& version() const { return version_; }
  const std::string& path() const { return path_; }
  std::vector<std::string> providers() const;

  // Throws OrtError where ONNX Runtime reports one.
  void check(OrtStatus* status) const;
  // The same without an exception: whether it went well, and else what it said.
  bool well(OrtStatus* status, std::string* said) const;

 private:
  OrtLibrary() = default;

  const OrtApiBase* base_ = nullptr;
  const OrtApi* api_ = nullptr;
  OrtEnv* environment_ = nullptr;  // lives as long as the process, as the library's threads do
  std::string version_;
  std::string path_;
};

// The part of ONNX Runtime's text that comes from CUDA, else its first line.
std::string brief(const std::string& text);

}  // namespace mapt
