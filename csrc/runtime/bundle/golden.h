// Reads the file of the golden picture, a NumPy archive; `runtime/bundle/golden.py`.
//
// Type and shape of every array are checked before one is unpacked, and nothing is unpacked that is larger than its
// array.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mapt {

// An array that an archive must hold.
struct ArrayLayout {
  std::string dtype;  // "uint8", "int32" or "float32"
  std::vector<std::int64_t> shape;

  std::size_t bytes() const;
};

using ArrayLayouts = std::map<std::string, ArrayLayout>;
using Arrays = std::map<std::string, std::string>;  // the bytes of each array

// The arrays of an `.npz` archive, exactly those of `layouts`. Throws ValueError where it is none, or holds another.
Arrays read_arrays(std::string_view archive, const ArrayLayouts& layouts);

}  // namespace mapt
