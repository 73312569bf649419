// TensorRT's runtime, loaded when it is needed. Only compiled where its headers are.
#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <string>

namespace mapt {

// Takes what TensorRT would print.
class TensorrtLog final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* text) noexcept override;
};

struct TensorrtLibrary {
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  std::string version;  // "10.14.1"
  std::string build;    // "10.14.1.48", as newer ones call themselves

  // Whether an engine that this library built says so.
  bool built(const std::string& name) const;
  // Its name and version, as a bundle's manifest has them.
  std::string name() const { return "tensorrt " + version; }
};

// Loads MAPT_NVINFER of the environment, else libnvinfer.so of the headers' major version from the loader's path. The
// GPU's context is current. Throws InputError.
TensorrtLibrary open_tensorrt_library();

}  // namespace mapt
