// The CUDA kernels as callers see them, without CUDA's headers.
//
// Pointers are device memory of params.h's shapes. Work is queued on the given stream and nothing waits for it. What a
// kernel needs beside its arguments is asked for in bytes and given by the caller, aligned to 256 bytes; it may be used
// again as soon as later work of the same stream runs. All give null, or CUDA's message where a launch failed.
//
// (T, C) is (float, float), (double, double), (Half, float) or (BFloat16, float); backward float or double.
#pragma once

#include <cstddef>

#include "common/half.h"
#include "common/params.h"

struct CUstream_st;

namespace mapt {

using Stream = CUstream_st*;  // cudaStream_t

template <class T, class C>
const char* cuda_deform_conv2d(const DeformConv<T, C>&, Stream);

template <class T>
size_t cuda_deform_conv2d_backward_bytes(const DeformConvGrad<T>&);
template <class T>
const char* cuda_deform_conv2d_backward(const DeformConvGrad<T>&, void* workspace, Stream);

template <class T, class C>
const char* cuda_roi_align(const RoiAlign<T, C>&, Stream);

template <class T>
size_t cuda_roi_align_backward_bytes(const RoiAlignGrad<T>&);
template <class T>
const char* cuda_roi_align_backward(const RoiAlignGrad<T>&, void* workspace, Stream);

template <class T, class C>
size_t cuda_propagate_bytes(const Propagate<T, C>&);
template <class T, class C>
const char* cuda_propagate(const Propagate<T, C>&, void* workspace, Stream);

}  // namespace mapt
