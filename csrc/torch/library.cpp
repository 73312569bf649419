// Defines the domain of the operators. Their schemas and implementations are in csrc/operators, and their fake tensors
// and gradients in mapt/ops.
#include <torch/library.h>

#include <string>

#include "cpu/dispatch.h"

TORCH_LIBRARY(mapt, m) {
  m.def("cpu_isa() -> str", [] { return std::string(mapt::isa_name()); });
}
