// Vectors in the compiler's own types, as wide as the instruction set for which this file is compiled.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "common/limits.h"
#include "common/parallel.h"
#include "common/portable.h"
#include "common/sample.h"

#ifndef MAPT_VECTOR_BYTES
#define MAPT_VECTOR_BYTES 16
#endif

MAPT_BEGIN

template <class T>
struct IntOf;
template <>
struct IntOf<float> {
  using type = int32_t;
};
template <>
struct IntOf<double> {
  using type = int64_t;
};
template <class T>
using Int = typename IntOf<T>::type;

template <class T, int bytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(bytes)));
};
template <class T>
using Vec = typename VectorOf<T, MAPT_VECTOR_BYTES>::type;

// The narrowest vector, for what would leave most lanes of a wider one empty.
constexpr int kNarrowBytes = 16;
template <class T>
using Narrow = typename VectorOf<T, kNarrowBytes>::type;
template <class T>
constexpr int kNarrowLanes = kNarrowBytes / sizeof(T);

template <class T>
constexpr int kLanes = MAPT_VECTOR_BYTES / sizeof(T);

// Vector registers of the instruction set. Tiles of sums are as large as these allow; larger ones go to memory and
// back.
#if MAPT_VECTOR_BYTES == 64 || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

#define MAPT_CONVERT(To, From)                                                                  \
  template <>                                                                                   \
  struct Convert<Vec<To>, Vec<From>> {                                                          \
    static MAPT_INLINE Vec<To> run(Vec<From> v) { return __builtin_convertvector(v, Vec<To>); } \
  };
MAPT_CONVERT(float, int32_t)
MAPT_CONVERT(int32_t, float)
MAPT_CONVERT(double, int64_t)
MAPT_CONVERT(int64_t, double)
#undef MAPT_CONVERT

template <class T>
MAPT_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}

// Loads the first `count` lanes, and sets the others to zero.
template <class T>
MAPT_INLINE Vec<T> load(const T* p, int64_t count) {
  if (count >= kLanes<T>) return load(p);
  T lanes[kLanes<T>] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = p[i];
  return load(lanes);
}

// Loads a vector of any width.
template <class W, class T>
MAPT_INLINE W load_as(const T* p) {
  W v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}

template <class T>
MAPT_INLINE void store(T* p, Vec<T> v) {
  __builtin_memcpy(p, &v, sizeof(v));
}

template <class W, class T>
MAPT_INLINE void store_as(T* p, W v) {
  __builtin_memcpy(p, &v, sizeof(v));
}

template <class T>
MAPT_INLINE void store(T* p, Vec<T> v, int64_t count) {
  if (count >= kLanes<T>) return store(p, v);
  T lanes[kLanes<T>];
  store(lanes, v);
  for (int64_t i = 0; i < count; ++i) p[i] = lanes[i];
}

// Subtracting zero changes no number, so compilers leave it out. Adding zero changes -0, so they would not.
template <class T>
MAPT_INLINE Vec<T> broadcast(T value) {
  return value - Vec<T>{};
}

// Stores past the cache, for results that are larger than it. p is aligned to the vector's size.
template <class T>
MAPT_INLINE void stream(T* p, Vec<T> v) {
#if defined(__x86_64__) && MAPT_VECTOR_BYTES == 64
  _mm512_stream_si512(reinterpret_cast<__m512i*>(p), reinterpret_cast<__m512i>(v));
#elif defined(__x86_64__) && MAPT_VECTOR_BYTES == 32
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(v));
#elif defined(__x86_64__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(p), reinterpret_cast<__m128i>(v));
#else
  store(p, v);
#endif
}

MAPT_INLINE void stream_end() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

MAPT_INLINE bool is_aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % MAPT_VECTOR_BYTES == 0; }

// Results of this size or more do not fit into a cache beside their inputs.
constexpr int64_t kStreamBytes = int64_t{4} << 20;

// Selects the lanes in `at` from those of a and then b. g++ 11 lacks the builtin of clang++ and later g++.
template <class W, int... at>
MAPT_INLINE W shuffle(W a, W b) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, at...);
#else
  return __builtin_shuffle(a, b, decltype(W{} == W{}){at...});
#endif
}

template <class W, int... i>
MAPT_INLINE W interleave_low(W a, W b, std::integer_sequence<int, i...>) {
  constexpr int lanes = sizeof...(i);
  return shuffle<W, (i / 2 + (i % 2) * lanes)...>(a, b);
}

template <class W, int... i>
MAPT_INLINE W interleave_high(W a, W b, std::integer_sequence<int, i...>) {
  constexpr int lanes = sizeof...(i);
  return shuffle<W, (lanes / 2 + i / 2 + (i % 2) * lanes)...>(a, b);
}

// Transposes a square of as many vectors as each has lanes, by log2(lanes) perfect shuffles.
template <int lanes, class W>
MAPT_INLINE void transpose_square(W (&rows)[lanes]) {
  constexpr std::make_integer_sequence<int, lanes> order;
#pragma GCC unroll 4
  for (int step = 1; step < lanes; step *= 2) {
    W next[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes / 2; ++i) {
      next[2 * i] = interleave_low<W>(rows[i], rows[i + lanes / 2], order);
      next[2 * i + 1] = interleave_high<W>(rows[i], rows[i + lanes / 2], order);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) rows[i] = next[i];
  }
}

template <class T>
MAPT_INLINE void transpose(Vec<T> (&rows)[kLanes<T>]) {
  transpose_square<kLanes<T>>(rows);
}

template <class T>
MAPT_INLINE T sum(Vec<T> v) {
  T total = 0;
  for (int i = 0; i < kLanes<T>; ++i) total += v[i];
  return total;
}

// Uninitialised working memory for a * b * ... elements, aligned to 64 bytes. Throws std::bad_alloc if there is not
// enough, or if the number of bytes overflows.
template <class N>
class Scratch {
 public:
  template <class... Factors>
  explicit Scratch(Factors... factors) {
    const int64_t bytes = max<int64_t>(checked_product({factors..., int64_t{sizeof(N)}}), 1);
    data_ = static_cast<N*>(std::aligned_alloc(64, (static_cast<size_t>(bytes) + 63) / 64 * 64));
    if (data_ == nullptr) throw std::bad_alloc();
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  N* get() { return data_; }
  const N* get() const { return data_; }
  N& operator[](int64_t i) { return data_[i]; }

 private:
  N* data_;
};

template <class F>
void parallel_for(const Parallel& parallel, int64_t tasks, F body) {
  if (tasks <= 0) return;
  parallel.run(
      parallel.pool, tasks, [](void* f, int64_t begin, int64_t end) { (*static_cast<F*>(f))(begin, end); }, &body);
}

MAPT_END
