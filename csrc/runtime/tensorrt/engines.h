// TensorRT's engines of a bundle; `runtime/backends/tensorrt.py`.
#pragma once

#include <memory>

#include "runtime/backends/options.h"
#include "runtime/backends/subgraph_runner.h"
#include "runtime/bundle/bundle.h"

namespace mapt {

// One engine and one execution context per subgraph, on the first GPU.
//
// TensorRT's library is loaded here, and not linked. Throws InputError: libmapt was built without TensorRT's headers,
// there is no GPU or no TensorRT, the bundle has no engines for this GPU or another TensorRT built them, or an engine
// does not load or is not the contract's.
std::unique_ptr<SubgraphRunner> open_engines(const Bundle& bundle, const NetworkOptions& options);

}  // namespace mapt
