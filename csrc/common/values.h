// Vectors of numbers as memory holds them: half precision becomes float when it is read, and is rounded when written.
#pragma once

#include "common/half.h"
#include "common/simd.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

MAPT_BEGIN

// The type in which values of a type are computed.
template <class V>
struct SumOf {
  using type = V;
};
template <>
struct SumOf<Half> {
  using type = float;
};
template <>
struct SumOf<BFloat16> {
  using type = float;
};
template <class V>
using Sum = typename SumOf<V>::type;

// May values be stored as they are computed?
template <class V>
constexpr bool kIsSum = sizeof(V) == sizeof(Sum<V>);

MAPT_INLINE bool is_nonzero(float value) { return value != 0; }
MAPT_INLINE bool is_nonzero(double value) { return value != 0; }
MAPT_INLINE bool is_nonzero(Half value) { return (value.bits & 0x7fff) != 0; }
MAPT_INLINE bool is_nonzero(BFloat16 value) { return (value.bits & 0x7fff) != 0; }

typedef uint16_t HalfBits __attribute__((vector_size(MAPT_VECTOR_BYTES / 2)));
typedef uint32_t FloatBits __attribute__((vector_size(MAPT_VECTOR_BYTES)));

MAPT_INLINE Vec<float> load_values(const float* p) { return load(p); }
MAPT_INLINE Vec<double> load_values(const double* p) { return load(p); }

MAPT_INLINE Vec<float> load_values(const Half* p) {
#if defined(__x86_64__) && MAPT_VECTOR_BYTES == 64
  return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__x86_64__) && MAPT_VECTOR_BYTES == 32
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(__aarch64__)
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(&p->bits)));
#else
  float values[kLanes<float>];
  for (int i = 0; i < kLanes<float>; ++i) values[i] = static_cast<float>(p[i]);
  return load(values);
#endif
}

MAPT_INLINE Vec<float> load_values(const BFloat16* p) {
  HalfBits bits;
  __builtin_memcpy(&bits, p, sizeof(bits));
  return reinterpret_cast<Vec<float>>(__builtin_convertvector(bits, FloatBits) << 16);
}

MAPT_INLINE void store_values(float* p, Vec<float> v) { store(p, v); }
MAPT_INLINE void store_values(double* p, Vec<double> v) { store(p, v); }

MAPT_INLINE void store_values(Half* p, Vec<float> v) {
#if defined(__x86_64__) && MAPT_VECTOR_BYTES == 64
  constexpr int to_nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_maskz_cvtps_ph(0xffff, v, to_nearest));
#elif defined(__x86_64__) && MAPT_VECTOR_BYTES == 32
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__aarch64__)
  vst1_u16(&p->bits, vreinterpret_u16_f16(vcvt_f16_f32(v)));
#else
  for (int i = 0; i < kLanes<float>; ++i) p[i] = Half(v[i]);
#endif
}

// The processor's own instruction would set tiny numbers to zero.
MAPT_INLINE void store_values(BFloat16* p, Vec<float> v) {
  const FloatBits word = reinterpret_cast<FloatBits>(v);
  const FloatBits rounded = (word + 0x7fff + (word >> 16 & 1)) >> 16, quiet = word >> 16 | 0x40;
  const HalfBits bits = __builtin_convertvector(v == v ? rounded : quiet, HalfBits);
  __builtin_memcpy(p, &bits, sizeof(bits));
}

// Loads the first `count` values, and sets the other lanes to zero.
template <class V>
MAPT_INLINE Vec<Sum<V>> load_values(const V* p, int64_t count) {
  constexpr int64_t lanes = kLanes<Sum<V>>;
  if (count >= lanes) return load_values(p);
  V values[lanes] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = p[i];
  return load_values(values);
}

template <class V>
MAPT_INLINE void store_values(V* p, Vec<Sum<V>> v, int64_t count) {
  constexpr int64_t lanes = kLanes<Sum<V>>;
  if (count >= lanes) return store_values(p, v);
  V values[lanes];
  store_values(values, v);
  for (int64_t i = 0; i < count; ++i) p[i] = values[i];
}

// Copies numbers to the type in which they are computed, or from it.
template <class From, class To>
void convert(const From* from, int64_t count, To* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);
}

MAPT_END
