// Chooses what runs a bundle on this machine; `runtime/backends/choice.py`.
#pragma once

#include <memory>
#include <string>

#include "runtime/backends/bundle_network.h"
#include "runtime/backends/options.h"
#include "runtime/backends/ort_library.h"
#include "runtime/bundle/bundle.h"

namespace mapt {

// The GPU whose engines may run, "sm86"; empty: there is none, or engines are not asked for.
std::string engine_target(const NetworkOptions& options);

// Opens a bundle's network and tests it. Throws InputError: the device that is asked for is not available, the network
// does not run there, or it does not give what it gave when it was exported.
std::unique_ptr<BundleNetwork> open_network(const std::shared_ptr<const OrtLibrary>& library, const Bundle& bundle,
                                            const NetworkOptions& options);

}  // namespace mapt
