#include "runtime/tensorrt/engines.h"

#include "runtime/bundle/errors.h"

#ifndef MAPT_TENSORRT
namespace mapt {

std::unique_ptr<SubgraphRunner> open_engines(const Bundle&, const NetworkOptions&) {
  throw InputError("libmapt was built without TensorRT's headers; build it where they are, or use backend='ort'");
}

}  // namespace mapt
#else
#include <array>
#include <cstring>
#include <map>

#include "runtime/backends/tensors.h"
#include "runtime/cuda/graphs.h"
#include "runtime/tensorrt/library.h"

namespace mapt {

namespace {

using nvinfer1::DataType;
using nvinfer1::TensorIOMode;

// The GPU, "sm86". Throws InputError.
std::string find_target() {
  try {
    return cuda_target();
  } catch (const DeviceError& error) {
    const bool installed = error.text.find("not installed") == std::string::npos;
    throw InputError(std::string("TensorRT ") + (installed ? "finds no GPU" : "needs an NVIDIA GPU and its driver") +
                     "; use backend='ort'");
  }
}

std::unique_ptr<CudaMemory> open_memory() {
  try {
    return std::make_unique<CudaMemory>();
  } catch (const DeviceError& error) {
    throw InputError("CUDA cannot be used (" + error.text + "); repair NVIDIA's driver, or use backend='ort'");
  }
}

using Engines = std::map<std::string, EngineFile>;

// The bundle's engines for this GPU. Throws InputError: there are none, or another TensorRT built them.
const Engines& choose(const Bundle& bundle, const std::string& target, const TensorrtLibrary& library) {
  const std::string again = "mapt export " + bundle.weights + " --out NEW_BUNDLE --trt --targets " + target;
  const auto found = bundle.engines.find(target);
  if (found == bundle.engines.end() || found->second.empty()) {
    std::string have;
    for (const auto& [name, engines] : bundle.engines) have += (have.empty() ? "" : ", ") + name;
    throw InputError(bundle.folder + ": has no engines for this GPU, " + target +
                     ", but for: " + (have.empty() ? "none" : have) + "; build them: " + again);
  }
  for (const SubgraphSpec& spec : kSubgraphs)
    if (!found->second.count(spec.name))
      throw InputError(bundle.folder + ": has no engine of " + spec.name + " for " + target +
                       "; build them again: " + again);
  for (const auto& [name, engine] : found->second)
    if (!library.built(engine.library))
      throw InputError(engine.path + ": was built by " + engine.library + ", here is " + library.name() +
                       ", which cannot load it; install the former, or build it again here: " + again);
  return found->second;
}

const char* type_name(DataType type) {
  if (type == DataType::kFLOAT) return "float32";
  if (type == DataType::kINT32) return "int32";
  return type == DataType::kUINT8 ? "uint8" : "of another type";
}

// A tensor as a message tells it.
std::string described(bool input, const std::string& type, const Shape& shape) {
  std::string sides;
  for (const std::int64_t side : shape) sides += (sides.empty() ? "" : ", ") + std::to_string(side);
  return std::string(input ? "input " : "output ") + type + " (" + sides + ")";
}

std::map<std::string, std::string> wanted_tensors(const SubgraphSpec& spec, const Sizes& sizes) {
  std::map<std::string, std::string> found;
  for (int i = 0; i < spec.input_count; ++i)
    found[spec.inputs[i].name] = described(true, spec.inputs[i].dtype, resolve(spec.inputs[i], sizes));
  for (int i = 0; i < spec.output_count; ++i)
    found[spec.outputs[i].name] = described(false, spec.outputs[i].dtype, resolve(spec.outputs[i], sizes));
  return found;
}

std::map<std::string, std::string> found_tensors(const nvinfer1::ICudaEngine& engine) {
  std::map<std::string, std::string> found;
  for (std::int32_t i = 0; i < engine.getNbIOTensors(); ++i) {
    const char* name = engine.getIOTensorName(i);
    const nvinfer1::Dims dims = engine.getTensorShape(name);
    const Shape shape(dims.d, dims.d + std::max(dims.nbDims, 0));
    const bool input = engine.getTensorIOMode(name) == TensorIOMode::kINPUT;
    found[name] = described(input, type_name(engine.getTensorDataType(name)), shape);
  }
  return found;
}

void check_contract(const nvinfer1::ICudaEngine& engine, const EngineFile& file, const SubgraphSpec& spec,
                    const Sizes& sizes) {
  const auto want = wanted_tensors(spec, sizes), have = found_tensors(engine);
  for (const auto* tensors : {&want, &have})
    for (const auto& [name, unused] : *tensors) {
      const auto wanted = want.find(name), found = have.find(name);
      const std::string is = found == have.end() ? "none" : found->second;
      const std::string should = wanted == want.end() ? "none" : wanted->second;
      if (is != should)
        throw InputError(file.path + ": its tensor " + name + " is " + is + ", the contract's " + should +
                         "; export the bundle again");
    }
}

class TensorrtEngines final : public SubgraphRunner {
 public:
  TensorrtEngines(const Bundle& bundle, const NetworkOptions& options)
      : capture_(options.cuda_graphs), target_(find_target()), memory_(open_memory()) {
    const CudaScope scope(memory_->driver(), memory_->context());
    library_ = open_tensorrt_library();
    providers_.fill(library_.name() + " on " + target_);
    const Engines& engines = choose(bundle, target_, library_);
    for (int i = 0; i < kSubgraphCount; ++i) {
      const EngineFile& file = engines.at(kSubgraphs[i].name);
      auto& engine = engines_[static_cast<std::size_t>(i)];
      engine.reset(library_.runtime->deserializeCudaEngine(file.content.data(), file.content.size()));
      if (!engine) throw InputError(file.path + ": " + library_.name() + " cannot load it on this GPU");
      check_contract(*engine, file, kSubgraphs[i], bundle.info.sizes);
      auto& context = contexts_[static_cast<std::size_t>(i)];
      context.reset(engine->createExecutionContext());
      if (!context) throw InputError(file.path + ": TensorRT gives it no execution context; is the GPU's memory full?");
    }
  }

  // TensorRT's objects are freed in the GPU's context.
  ~TensorrtEngines() override {
    memory_->wait();
    graphs_.reset();
    const CudaScope scope(memory_->driver(), memory_->context());
    for (auto& context : contexts_) context.reset();
    for (auto& engine : engines_) engine.reset();
    library_.runtime.reset();
  }

  DeviceMemory& memory() noexcept override { return *memory_; }

  const char* provider(Subgraph subgraph) const noexcept override {
    return providers_[static_cast<std::size_t>(subgraph)].c_str();
  }

  Status run(Subgraph subgraph, const Addresses& addresses) noexcept override {
    const CudaScope scope(memory_->driver(), memory_->context());
    const Status status = set_addresses(subgraph, addresses);
    if (!status.ok()) return status;
    if (graphs_) return graphs_->launch(subgraph, addresses, &queue, this);
    return queue(this, subgraph, static_cast<CuStream>(memory_->stream()));
  }

  // Every subgraph runs once as it is, as TensorRT demands, and then as a CUDA graph.
  void rehearse(const Addresses (&addresses)[kSubgraphCount]) override {
    run_all(addresses);
    if (!capture_) return;
    try {
      graphs_ = std::make_unique<CudaGraphs>(*memory_);
    } catch (const DeviceError& error) {
      refuse(error.text);
    }
    run_all(addresses);
    for (int i = 0; i < kSubgraphCount; ++i) {
      const std::string why = graphs_->failed(static_cast<Subgraph>(i));
      providers_[static_cast<std::size_t>(i)] +=
          why.empty() ? " with CUDA graphs" : " without CUDA graphs (" + why + ")";
    }
  }

 private:
  [[noreturn]] static void refuse(const std::string& why) {
    throw InputError("the engines do not run on this GPU (" + why + "); free memory on it, or use backend='ort'");
  }

  void run_all(const Addresses (&addresses)[kSubgraphCount]) {
    for (int i = 0; i < kSubgraphCount; ++i) {
      Status status = run(static_cast<Subgraph>(i), addresses[i]);
      if (status.ok()) status = memory_->wait();
      if (!status.ok()) refuse(status.text);
    }
  }

  Status set_addresses(Subgraph subgraph, const Addresses& addresses) noexcept {
    const SubgraphSpec& spec = spec_of(subgraph);
    nvinfer1::IExecutionContext& context = *contexts_[static_cast<std::size_t>(subgraph)];
    Addresses& known = set_[static_cast<std::size_t>(subgraph)];
    const auto set = [&](const TensorSpec& tensor, void*& now, void* address) {
      if (now == address) return true;
      now = context.setTensorAddress(tensor.name, address) ? address : nullptr;
      return now != nullptr;
    };
    for (int i = 0; i < spec.input_count + spec.output_count; ++i) {
      const bool input = i < spec.input_count;
      const int at = input ? i : i - spec.input_count;
      const TensorSpec& tensor = input ? spec.inputs[at] : spec.outputs[at];
      const bool taken = input ? set(tensor, known.inputs[at], addresses.inputs[at])
                               : set(tensor, known.outputs[at], addresses.outputs[at]);
      if (!taken)
        return Status::of(Code::kBackend, "%s: TensorRT refuses the address of %s; frame dropped", spec.name,
                          tensor.name);
    }
    return {};
  }

  static Status queue(void* self, Subgraph subgraph, CuStream stream) {
    auto& context = *static_cast<TensorrtEngines*>(self)->contexts_[static_cast<std::size_t>(subgraph)];
    if (context.enqueueV3(reinterpret_cast<cudaStream_t>(stream))) return {};
    return Status::of(Code::kBackend, "%s: TensorRT refuses to run it; frame dropped", spec_of(subgraph).name);
  }

  bool capture_;
  std::string target_;
  std::unique_ptr<CudaMemory> memory_;
  TensorrtLibrary library_;
  std::array<std::unique_ptr<nvinfer1::ICudaEngine>, kSubgraphCount> engines_;
  std::array<std::unique_ptr<nvinfer1::IExecutionContext>, kSubgraphCount> contexts_;
  std::array<Addresses, kSubgraphCount> set_;
  std::array<std::string, kSubgraphCount> providers_;
  std::unique_ptr<CudaGraphs> graphs_;
};

}  // namespace

std::unique_ptr<SubgraphRunner> open_engines(const Bundle& bundle, const NetworkOptions& options) {
  return std::make_unique<TensorrtEngines>(bundle, options);
}

}  // namespace mapt
#endif
