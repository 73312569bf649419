// Half-precision numbers, and TF32, as memory holds them. They are only converted; all arithmetic is in float.
#pragma once

#include <cstring>

#include "common/portable.h"

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#endif

namespace mapt {

#if !defined(__CUDACC__)
// Compilers name their half-precision types differently, or lack them in C++, so conversions use integers. They are
// exact if the result exists, and otherwise round to nearest even, as hardware does.
MAPT_INLINE uint16_t half_bits(float value) {
  uint32_t word;
  std::memcpy(&word, &value, sizeof(word));
  const uint32_t sign = word >> 16 & 0x8000, magnitude = word & 0x7fffffff;
  uint32_t bits;
  if (magnitude > 0x7f800000) {  // NaN: quiet, with the upper part of its payload
    bits = 0x7e00 | (magnitude >> 13 & 0x3ff);
  } else if (magnitude >= 0x477ff000) {  // 65520 and more round to infinity
    bits = 0x7c00;
  } else if (magnitude >= 0x38800000) {  // from 2^-14 on: a normal number
    bits = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  } else {  // Adding 0.5 rounds to a multiple of 2^-24, which is the last bit of subnormal numbers.
    float small;
    std::memcpy(&small, &magnitude, sizeof(small));
    small += 0.5F;
    std::memcpy(&bits, &small, sizeof(bits));
    bits -= 0x3f000000;
  }
  return static_cast<uint16_t>(sign | bits);
}

MAPT_INLINE float half_value(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, magnitude = bits & 0x7fff;
  uint32_t word = magnitude << 13;
  if (magnitude > 0x7c00) {
    word |= 0x7fc00000;  // NaN, quiet
  } else if (magnitude == 0x7c00) {
    word = 0x7f800000;
  } else if (magnitude >= 0x400) {
    word += 0x38000000;
  } else {
    const float small = static_cast<float>(magnitude) * 0x1p-24F;
    std::memcpy(&word, &small, sizeof(word));
  }
  word |= sign;
  float value;
  std::memcpy(&value, &word, sizeof(value));
  return value;
}
#endif

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
  MAPT_INLINE explicit Half(float value) : bits(half_bits(value)) {}
  MAPT_INLINE explicit operator float() const { return half_value(bits); }
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

// A float of which tensor cores read 10 bits of the fraction, rounded to nearest, away from zero if halfway.
struct Tf32 {
  uint32_t bits;

  Tf32() = default;
  MAPT_INLINE explicit Tf32(float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof(word));
    const bool finite = (word & 0x7f800000) != 0x7f800000;
    bits = finite ? (word + 0x1000) & 0xffffe000 : word;
  }
  MAPT_INLINE explicit operator float() const {
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
  }
};

}  // namespace mapt
