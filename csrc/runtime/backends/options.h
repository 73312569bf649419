// How a network is to run; `runtime/backends/protocol.py: Options`.
#pragma once

#include <functional>
#include <string>

namespace mapt {

enum class Device { kAuto, kCpu, kCuda };

// What runs the network; kAuto: TensorRT if the bundle and the machine have all it needs, else ONNX Runtime.
enum class Backend { kAuto, kOrt, kTensorrt, kCount };
constexpr const char* kBackendNames[] = {"auto", "ort", "tensorrt"};

struct NetworkOptions {
  Backend backend = Backend::kAuto;
  int threads = 0;  // of the network on a CPU; 0: as many as cores that this process may use
  Device device = Device::kAuto;
  bool tf32 = false;        // let CUDA round the inputs of float32 products and convolutions to TF32
  bool cuda_graphs = true;  // let a GPU replay what a subgraph queues as one graph, where that can be captured
  bool test = true;         // compare what the bundle's golden picture gives
  std::string onnxruntime;  // path of ONNX Runtime's library; empty: where `OrtLibrary::open` looks
  std::string operators;    // path of MAPT's operators for CUDA; empty: those for a CPU that are linked in
  std::function<void(const std::string&)> say;  // told what was chosen, and why; may be empty
};

}  // namespace mapt
