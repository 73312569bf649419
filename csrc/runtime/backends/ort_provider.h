// Chooses the execution provider of ONNX Runtime, the CPU's or CUDA's; `runtime/backends/ort_providers.py`.
//
// ONNX Runtime itself goes on with the CPU where CUDA does not come up. Here a provider that was asked for runs, or
// there is an error.
#pragma once

#include <string>

#include "runtime/backends/options.h"
#include "runtime/backends/ort_library.h"
#include "runtime/bundle/bundle.h"

namespace mapt {

constexpr char kCpuProvider[] = "CPUExecutionProvider";
constexpr char kCudaProvider[] = "CUDAExecutionProvider";

// How CUDA's provider runs a session.
struct CudaOptions {
  bool tf32 = false;
  void* stream = nullptr;  // on which it queues its work; null: on one of its own, for which every run waits
  bool captured = false;   // what it queues is replayed as a CUDA graph
};

// Session options that are released with their owner.
class SessionOptions {
 public:
  explicit SessionOptions(const OrtLibrary& library);
  ~SessionOptions() { library_.api().ReleaseSessionOptions(options_); }
  SessionOptions(const SessionOptions&) = delete;
  SessionOptions& operator=(const SessionOptions&) = delete;

  OrtSessionOptions* get() const { return options_; }
  void set(const char* key, const char* value);
  void threads(int count);
  // CUDA with reproducible float32 results. Throws OrtError.
  void add_cuda(const CudaOptions& cuda);

 private:
  const OrtLibrary& library_;
  OrtSessionOptions* options_ = nullptr;
};

// Whether CUDA runs the bundle. Throws InputError where it was asked for and cannot.
bool choose_cuda(const OrtLibrary& library, const Bundle& bundle, const NetworkOptions& options);

// Gives the options the operators of the domain `mapt`, where the bundle needs them. Throws InputError.
void add_operators(const OrtLibrary& library, const Bundle& bundle, const NetworkOptions& options,
                   const SessionOptions& settings);

}  // namespace mapt
