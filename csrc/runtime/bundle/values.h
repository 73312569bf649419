// Checks values of a manifest that only together make sense; `runtime/bundle/manifest_values.py`, `mapt/contract.py`.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/bundle/schema.h"
#include "runtime/core/model_info.h"

namespace mapt {

// A value that no bundle can have; the message is Python's, with the name of its exception.
class ValueError : public std::runtime_error {
 public:
  explicit ValueError(const std::string& message, const std::string& kind = "ValueError")
      : std::runtime_error(kind + ": " + message) {}
};

// What a manifest says of the network. Throws ValueError.
ModelInfo read_model_info(const Manifest& manifest);

// Checks that a subgraph has the bundle's precision or stayed in float32. Throws ValueError.
void check_precision(const std::string& subgraph, const std::string& own, const std::string& asked);

// Refuses int8 subgraphs whose products saturate on some processors. Throws InputError.
void check_pair_sums(const std::string& path, const Manifest& manifest);

// Whether nothing in a text can steer a terminal, as Python's `isprintable` says of the characters that are met.
bool is_printable(std::string_view text);

}  // namespace mapt
