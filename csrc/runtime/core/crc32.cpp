#include "runtime/core/crc32.h"

#include <cstring>

namespace mapt {
namespace {

constexpr int kSlices = 16;  // bytes that one round takes

struct Tables {
  uint32_t of[kSlices][256];

  constexpr Tables() : of() {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      uint32_t crc = byte;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
      of[0][byte] = crc;
    }
    for (int slice = 1; slice < kSlices; ++slice) {
      for (int byte = 0; byte < 256; ++byte) {
        of[slice][byte] = of[slice - 1][byte] >> 8 ^ of[0][of[slice - 1][byte] & 255];
      }
    }
  }
};

constexpr Tables kTables;

}  // namespace

uint32_t crc32(const void* data, size_t bytes, uint32_t before) {
  const auto* at = static_cast<const unsigned char*>(data);
  uint32_t crc = ~before;
  for (; bytes >= kSlices; bytes -= kSlices, at += kSlices) {
    uint32_t next = 0;
    for (int i = 0; i < kSlices; ++i) {
      const unsigned char first = i < 4 ? static_cast<unsigned char>(crc >> 8 * i) : 0;
      next ^= kTables.of[kSlices - 1 - i][at[i] ^ first];
    }
    crc = next;
  }
  for (; bytes; --bytes, ++at) crc = crc >> 8 ^ kTables.of[0][(crc ^ *at) & 255];
  return ~crc;
}

}  // namespace mapt
