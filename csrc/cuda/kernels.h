// Declares the calls of CUDA kernels, without CUDA's headers.
//
// The parameters' type selects the kernel, and their pointers are device memory. A call queues work on the given stream
// and does not wait for it. The caller asks how many bytes of workspace a kernel needs, and provides them, aligned to
// 256 bytes. Later work of the same stream may reuse the workspace.
//
// (T, C) of parameters is (float, float), (double, double), (Half, float) or (BFloat16, float). RoIAlign's backward
// kernel takes only float and double.
#pragma once

#include <cstddef>

#include "common/half.h"

struct CUstream_st;

namespace mapt {

using Stream = CUstream_st*;  // cudaStream_t

template <class Params>
size_t cuda_workspace_bytes(const Params&);

// Returns null, or CUDA's message if a launch failed. `workspace` may be null if the kernel needs no bytes.
template <class Params>
const char* run_on_cuda(const Params&, void* workspace, Stream);

}  // namespace mapt
