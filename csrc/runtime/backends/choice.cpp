#include "runtime/backends/choice.h"

#include "runtime/backends/ort_sessions.h"
#include "runtime/backends/self_test.h"
#include "runtime/bundle/errors.h"

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

}  // namespace

std::unique_ptr<BundleNetwork> open_network(const std::shared_ptr<const OrtLibrary>& library, const Bundle& bundle,
                                            const NetworkOptions& options) {
  std::unique_ptr<BundleNetwork> network = open_ort(library, bundle, options);
  if (options.test && bundle.golden)
    self_test(*network, bundle);
  else
    run_blank(*network);
  network->runner().memory().begin_counting();
  return network;
}

}  // namespace mapt
