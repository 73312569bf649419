// A TensorRT plugin's life, for tests; see plugins.cpp.
#pragma once

#include <NvInferRuntime.h>

#include <cstddef>
#include <cstdint>

struct Tensor {
  void* data;
  int32_t type, rank;
  int64_t sides[8];
};

// Returns null, or the step that failed. Without memory for the output, it only fills in the output's type and sides,
// and the `bytes` of workspace. Tensors and workspace are in the memory of the device that runs the kernels, which are
// queued on CUDA's default stream.
extern "C" const char* run_plugin(const char* name, const nvinfer1::PluginField* fields, int32_t field_count,
                                  Tensor* tensors, int32_t inputs, size_t* bytes, void* workspace);
