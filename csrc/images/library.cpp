// The functions that `runtime/images/kernel.py` calls. The library needs no framework.
#include "cuda/kernels.h"
#include "operators/preprocess/params.h"
#include "operators/render_labels/params.h"

#define MAPT_EXPORT extern "C" __attribute__((visibility("default")))

// Raise it here and in runtime/images/kernel.py when the parameters change.
MAPT_EXPORT int64_t mapt_images_version() { return 1; }

// The bytes of device memory that `mapt_preprocess` works in, aligned to 256.
MAPT_EXPORT int64_t mapt_preprocess_workspace(const mapt::Preprocess& params) {
  return static_cast<int64_t>(mapt::cuda_workspace_bytes(params));
}

// The next two queue a kernel on a stream. They return null, or CUDA's message.
MAPT_EXPORT const char* mapt_preprocess(const mapt::Preprocess& params, void* workspace, void* stream) {
  return mapt::run_on_cuda(params, workspace, static_cast<mapt::Stream>(stream));
}

MAPT_EXPORT const char* mapt_render_labels(const mapt::RenderLabels& params, void* stream) {
  return mapt::run_on_cuda(params, nullptr, static_cast<mapt::Stream>(stream));
}
