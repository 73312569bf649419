// JSON as Python's `json.dumps(value, indent=1, sort_keys=True)` writes it, and values as Python's messages show them.
#pragma once

#include <string>
#include <string_view>

#include "nlohmann/json.hpp"

namespace mapt {

using Json = nlohmann::json;  // objects are sorted by key

constexpr int kDeepest = 32;  // levels of any JSON that is read here

// Parses a text; throws std::runtime_error with the reason where it is none, or is nested too deeply.
Json parse_json(std::string_view text);

// The canonical text, without a line's end behind it.
std::string canonical(const Json& value);

// The beginning of a value's `repr` for a message.
std::string shown(const Json& value, std::size_t limit = 40);

// A text's `repr`.
std::string repr_of(std::string_view text);

}  // namespace mapt
