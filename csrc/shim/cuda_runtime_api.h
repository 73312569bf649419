// The part of CUDA's own header that TensorRT's headers need, for machines without CUDA.
#pragma once

using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;
