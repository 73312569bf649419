// Half-precision numbers as memory holds them: converted, never calculated with.
#pragma once

#include <cstring>

#include "portable.h"

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#endif

namespace mapt {

// IEEE binary16.
struct Half {
  uint16_t bits;

  Half() = default;
#if defined(__CUDACC__)
  MAPT_INLINE explicit Half(float value) : bits(static_cast<__half_raw>(__float2half_rn(value)).x) {}
  MAPT_INLINE explicit operator float() const {
    __half_raw raw;
    raw.x = bits;
    return __half2float(raw);
  }
#else
  MAPT_INLINE explicit Half(float value) {
    const auto half = static_cast<_Float16>(value);
    std::memcpy(&bits, &half, sizeof(bits));
  }
  MAPT_INLINE explicit operator float() const {
    _Float16 half;
    std::memcpy(&half, &bits, sizeof(half));
    return static_cast<float>(half);
  }
#endif
};

// The upper half of a float, rounded to nearest even.
struct BFloat16 {
  uint16_t bits;

  BFloat16() = default;
  MAPT_INLINE explicit BFloat16(float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof(word));
    if (value != value) {
      bits = static_cast<uint16_t>(word >> 16 | 0x40);  // stays NaN
    } else {
      bits = static_cast<uint16_t>((word + 0x7fff + (word >> 16 & 1)) >> 16);
    }
  }
  MAPT_INLINE explicit operator float() const {
    const uint32_t word = static_cast<uint32_t>(bits) << 16;
    float value;
    memcpy(&value, &word, sizeof(value));
    return value;
  }
};

}  // namespace mapt
