// The CUDA kernels as callers see them, without CUDA's headers.
//
// The parameters' type says which kernel; their pointers are device memory. Work is queued on the given stream and
// nothing waits for it. What a kernel needs beside its parameters is asked for in bytes and given by the caller,
// aligned to 256 bytes; it may be used again as soon as later work of the same stream runs.
//
// (T, C) of parameters is (float, float), (double, double), (Half, float) or (BFloat16, float); backward float or
// double.
#pragma once

#include <cstddef>

#include "common/half.h"

struct CUstream_st;

namespace mapt {

using Stream = CUstream_st*;  // cudaStream_t

template <class Params>
size_t cuda_workspace_bytes(const Params&);

// Null, or CUDA's message where a launch failed. Without bytes of a workspace it may be null.
template <class Params>
const char* run_on_cuda(const Params&, void* workspace, Stream);

}  // namespace mapt
