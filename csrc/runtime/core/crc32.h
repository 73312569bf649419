// CRC-32 as zlib computes it (polynomial 0xEDB88320).
#pragma once

#include <cstddef>
#include <cstdint>

namespace mapt {

// `before` is the CRC of the bytes before these, 0 where there are none.
uint32_t crc32(const void* data, size_t bytes, uint32_t before = 0);

}  // namespace mapt
