// Compares what a bundle gives here with what it gave when it was exported; `runtime/perception/self_test.py`.
#pragma once

#include "runtime/backends/bundle_network.h"
#include "runtime/bundle/bundle.h"

namespace mapt {

// Runs the bundle's golden picture. Throws InputError where its file is not what it should be, or an output differs by
// more than the precisions explain.
void self_test(BundleNetwork& network, const Bundle& bundle);

// Runs every subgraph once, on zeros. Throws InputError where one does not run.
void run_blank(BundleNetwork& network);

}  // namespace mapt
