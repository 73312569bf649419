// The domain of the operators; each adds its own schemas and implementations in csrc/operators, fake tensors and
// gradients in mapt/ops.
#include <torch/library.h>

#include <string>

#include "cpu/dispatch.h"

TORCH_LIBRARY(mapt, m) {
  m.def("cpu_isa() -> str", [] { return std::string(mapt::isa_name()); });
}
