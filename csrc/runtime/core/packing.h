// Checked bytes: a JSON header and raw little-endian arrays; `runtime/persistence/packing.py` states the layout.
//
// These functions run outside of steps, so they allocate, and throw std::bad_alloc where there is no memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/json.h"

namespace mapt {

// An array of a blob; `data` may lie anywhere in its bytes, so it need not be aligned.
struct PackedArray {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;
  int64_t bytes = 0;

  int64_t count() const;
};

// Collects the arrays of a blob, then writes it.
class Packer {
 public:
  // `values` must stay where they are until `finish`. `item` is the size of one of them.
  void add(const char* name, const char* dtype, std::vector<int64_t> shape, const void* values, int64_t item);

  // `meta` is a JSON object as Python's json.dumps writes it.
  std::vector<uint8_t> finish(const char* kind, uint32_t version, const std::string& meta) const;

 private:
  std::vector<PackedArray> arrays_;
};

struct Unpacked {
  Json meta;
  std::vector<PackedArray> arrays;

  const PackedArray* find(const char* name) const;
};

// Reads a blob, whose bytes the arrays point into. Returns what is wrong with it, empty where nothing is.
std::string unpack(const char* kind, uint32_t version, const uint8_t* data, size_t size, Unpacked* out);

}  // namespace mapt
