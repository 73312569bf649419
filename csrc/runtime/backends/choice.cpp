#include "runtime/backends/choice.h"

#include "runtime/backends/ort_sessions.h"
#include "runtime/backends/self_test.h"
#include "runtime/bundle/errors.h"
#include "runtime/cuda/driver.h"
#include "runtime/tensorrt/engines.h"

namespace mapt {

namespace {

std::unique_ptr<BundleNetwork> open_ort(const std::shared_ptr<const OrtLibrary>& library, const Bundle& bundle,
                                        const NetworkOptions& options) {
  auto sessions = std::make_unique<OrtSessions>(library, bundle, options);
  const std::string provider = sessions->provider(Subgraph::kBackbone);
  try {
    return std::make_unique<BundleNetwork>(std::move(sessions), bundle.info);
  } catch (const DeviceError& error) {
    throw InputError(bundle.folder + ": no memory for its tensors on " + provider + " (" + error.text +
                     "); free some, or take device 'cpu'");
  }
}

std::unique_ptr<BundleNetwork> open_tensorrt(const Bundle& bundle, const NetworkOptions& options) {
  if (options.device == Device::kCpu)
    throw InputError("backend 'tensorrt': runs on a GPU, not on device 'cpu'; take backend 'ort'");
  auto engines = open_engines(bundle, options);
  try {
    return std::make_unique<BundleNetwork>(std::move(engines), bundle.info);
  } catch (const DeviceError& error) {
    throw InputError(bundle.folder + ": no memory for its tensors on the GPU (" + error.text +
                     "); free some, or use backend='ort'");
  }
}

void say(const NetworkOptions& options, const std::string& line) {
  if (options.say) options.say(line);
}

std::unique_ptr<BundleNetwork> open_any(const std::shared_ptr<const OrtLibrary>& library, const Bundle& bundle,
                                        const NetworkOptions& options) {
  if (options.backend == Backend::kTensorrt) return open_tensorrt(bundle, options);
  const bool may = options.backend == Backend::kAuto && options.device != Device::kCpu;
  if (may && !bundle.engines.empty()) {
    try {
      auto network = open_tensorrt(bundle, options);
      say(options, std::string(network->provider(0)) + " runs the network");
      return network;
    } catch (const InputError& error) {
      say(options, std::string("ONNX Runtime runs the network, the bundle's engines cannot: ") + error.what());
    }
  }
  return open_ort(library, bundle, options);
}

}  // namespace

std::string engine_target(const NetworkOptions& options) {
  if (options.backend == Backend::kOrt || options.device == Device::kCpu) return "";
  try {
    return cuda_target();
  } catch (const DeviceError&) {
    return "";
  }
}

std::unique_ptr<BundleNetwork> open_network(const std::shared_ptr<const OrtLibrary>& library, const Bundle& bundle,
                                            const NetworkOptions& options) {
  std::unique_ptr<BundleNetwork> network = open_any(library, bundle, options);
  if (options.test && bundle.golden)
    self_test(*network, bundle);
  else
    run_blank(*network);
  network->runner().memory().begin_counting();
  return network;
}

}  // namespace mapt
