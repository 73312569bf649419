// NVIDIA's driver, loaded when it is needed. Neither CUDA's headers nor its runtime library are: the driver's own
// functions do the same, and come with every GPU.
#pragma once

#include <cstddef>
#include <string>

namespace mapt {

// The driver's types, as far as they are used here.
using CuResult = int;
using CuDevice = int;
using CuAddress = unsigned long long;
using CuContext = struct CuContextState*;
using CuStream = struct CuStreamState*;
using CuGraph = struct CuGraphState*;
using CuGraphExec = struct CuGraphExecState*;

constexpr unsigned kNonBlockingStream = 1;
constexpr int kThreadLocalCapture = 1;

// Every function that is used: its name in the driver, its name here, and its parameters. Those with a number behind
// `_v` have an older form of the same name.
#define MAPT_CUDA_FUNCTIONS(F)                                                                     \
  F("cuInit", init, (unsigned))                                                                    \
  F("cuDeviceGetCount", device_count, (int*))                                                      \
  F("cuDeviceGetAttribute", device_attribute, (int*, int, CuDevice))                               \
  F("cuGetErrorString", error_string, (CuResult, const char**))                                    \
  F("cuDevicePrimaryCtxRetain", retain_context, (CuContext*, CuDevice))                            \
  F("cuDevicePrimaryCtxRelease_v2", release_context, (CuDevice))                                   \
  F("cuCtxPushCurrent_v2", push_context, (CuContext))                                              \
  F("cuCtxPopCurrent_v2", pop_context, (CuContext*))                                               \
  F("cuMemAlloc_v2", allocate, (CuAddress*, std::size_t))                                          \
  F("cuMemFree_v2", release, (CuAddress))                                                          \
  F("cuMemHostAlloc", allocate_host, (void**, std::size_t, unsigned))                              \
  F("cuMemFreeHost", release_host, (void*))                                                        \
  F("cuMemcpyHtoDAsync_v2", upload, (CuAddress, const void*, std::size_t, CuStream))               \
  F("cuMemcpyDtoHAsync_v2", download, (void*, CuAddress, std::size_t, CuStream))                   \
  F("cuMemsetD8Async", fill, (CuAddress, unsigned char, std::size_t, CuStream))                    \
  F("cuStreamCreate", create_stream, (CuStream*, unsigned))                                        \
  F("cuStreamDestroy_v2", destroy_stream, (CuStream))                                              \
  F("cuStreamSynchronize", wait_for_stream, (CuStream))                                            \
  F("cuStreamBeginCapture_v2", begin_capture, (CuStream, int))                                     \
  F("cuStreamEndCapture", end_capture, (CuStream, CuGraph*))                                       \
  F("cuGraphInstantiateWithFlags", instantiate_graph, (CuGraphExec*, CuGraph, unsigned long long)) \
  F("cuGraphLaunch", launch_graph, (CuGraphExec, CuStream))                                        \
  F("cuGraphDestroy", destroy_graph, (CuGraph))                                                    \
  F("cuGraphExecDestroy", destroy_graph_exec, (CuGraphExec))

struct CudaDriver {
#define MAPT_DECLARE(symbol, name, parameters) CuResult(*name) parameters = nullptr;
  MAPT_CUDA_FUNCTIONS(MAPT_DECLARE)
#undef MAPT_DECLARE

  // What an error means; empty where there is none.
  std::string text_of(CuResult result) const;
};

// The driver, with a GPU. Throws DeviceError: it is not installed, is too old, or finds no GPU.
const CudaDriver& cuda_driver();

// The first GPU's compute capability, as "sm86". Throws DeviceError.
std::string cuda_target();

}  // namespace mapt
