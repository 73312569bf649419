// As much of CUDA's own header as TensorRT's headers read, for compilers that have no CUDA beside them.
#pragma once

using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;
