// The lowest library versions that a bundle's graphs run on; `runtime/bundle/requirements.py`.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/bundle/json_text.h"

namespace mapt {

// The numbers of a version, without what follows them. Throws ValueError where it does not begin with a number.
std::vector<int> version_numbers(std::string_view text);

// The versions that a manifest states, checked. Throws ValueError.
std::map<std::string, std::string> read_requirements(const Json& stated);

// Whether ONNX Runtime `version` is new enough for what a manifest states, which may be malformed.
bool runs_on(const Json& stated, const std::string& version);

// Refuses graphs that ONNX Runtime `version` is too old for. Throws InputError, which names their `user`.
void check_requirements(const std::map<std::string, std::string>& stated, const std::string& version,
                        const std::string& user);

}  // namespace mapt
