// Resizes an image, pads it and converts its colours, in one pass, and summarises the result.
//
// The arithmetic is that of OpenCV's INTER_LINEAR_EXACT and COLOR_YUV2RGB_NV12: weights in steps of 1/256, colours in
// steps of 2^-20, rounded to bytes after each of the two.
#include "cuda/launch.cuh"
#include "operators/preprocess/params.h"

MAPT_BEGIN

constexpr int64_t kSegment = 32;                                       // pixels that a thread summarises
constexpr int32_t kOne = 256;                                          // the sum of the two weights of an axis
constexpr uint32_t kHashStart = 2166136261u, kHashFactor = 16777619u;  // FNV-1a

struct Rgb {
  int32_t r, g, b;
};

// The two neighbours of an output pixel along one axis, and the weight of the second.
struct Neighbours {
  int64_t first, second;
  int32_t weight;

  // Output pixel `at` of `inner` lies at (at + 0.5) * size / inner - 0.5, computed here without rounding.
  MAPT_INLINE Neighbours(int64_t at, int64_t size, int64_t inner) : first(0), second(0), weight(0) {
    const int64_t place = (2 * at + 1) * size - inner, unit = 2 * inner;
    if (place <= 0) return;
    first = second = min(place / unit, size - 1);
    if (first == size - 1) return;
    second = first + 1;
    const int64_t doubled = 2 * kOne * (place - first * unit) + unit;
    weight = static_cast<int32_t>(doubled / (2 * unit));
    if (doubled % (2 * unit) == 0 && weight % 2) --weight;  // halves go to the even weight
  }
};

MAPT_INLINE int32_t to_byte(int32_t value) { return min(max(value, 0), 255); }

MAPT_INLINE Rgb read_nv12(const Preprocess& p, int64_t y, int64_t x) {
  const uint8_t* pair = p.chroma + y / 2 * p.chroma_stride + x / 2 * 2;
  const int32_t u = pair[0] - 128, v = pair[1] - 128, half = 1 << 19;
  const int32_t light = max(0, p.pixels[y * p.row_stride + x] - 16) * static_cast<int32_t>(p.yuv.y);
  const int32_t r = light + half + static_cast<int32_t>(p.yuv.v_to_r) * v;
  const int32_t g = light + half + static_cast<int32_t>(p.yuv.v_to_g) * v + static_cast<int32_t>(p.yuv.u_to_g) * u;
  const int32_t b = light + half + static_cast<int32_t>(p.yuv.u_to_b) * u;
  return {to_byte(r >> 20), to_byte(g >> 20), to_byte(b >> 20)};
}

MAPT_INLINE Rgb read_pixel(const Preprocess& p, int64_t y, int64_t x) {
  if (p.layout == kNv12) return read_nv12(p, y, x);
  const uint8_t* pixel = p.pixels + y * p.row_stride + x * p.column_stride;
  return {pixel[0], pixel[p.channel_stride], pixel[2 * p.channel_stride]};
}

MAPT_INLINE Rgb blend(const Rgb& a, const Rgb& b, int32_t weight) {
  const int32_t rest = kOne - weight;
  return {a.r * rest + b.r * weight, a.g * rest + b.g * weight, a.b * rest + b.b * weight};
}

MAPT_INLINE uint8_t round_blend(int32_t value) {
  return static_cast<uint8_t>((value + kOne * kOne / 2) / (kOne * kOne));
}

struct Resize {
  Preprocess p;
  MAPT_INLINE void operator()(int64_t y, int64_t x) const {
    uint8_t* out = p.out + (y * p.out_width + x) * 3;
    if (y >= p.inner_height || x >= p.inner_width) {
      out[0] = out[1] = out[2] = 0;
      return;
    }
    const Neighbours ys(y, p.height, p.inner_height), xs(x, p.width, p.inner_width);
    const Rgb above = blend(read_pixel(p, ys.first, xs.first), read_pixel(p, ys.first, xs.second), xs.weight);
    const Rgb below = blend(read_pixel(p, ys.second, xs.first), read_pixel(p, ys.second, xs.second), xs.weight);
    const Rgb sum = blend(above, below, ys.weight);
    out[0] = round_blend(sum.r), out[1] = round_blend(sum.g), out[2] = round_blend(sum.b);
  }
};

// Least and largest byte, and a hash, of some bytes in a row.
struct Summary {
  uint32_t least, largest, hash;

  MAPT_INLINE Summary() : least(255), largest(0), hash(kHashStart) {}
  MAPT_INLINE void add(uint32_t low, uint32_t high, uint32_t value) {
    least = min(least, low);
    largest = max(largest, high);
    hash = (hash ^ value) * kHashFactor;
  }
  MAPT_INLINE void write(uint32_t* to) const {
    to[0] = least + 256 * largest;
    to[1] = hash;
  }
};

struct SummariseSegment {
  Preprocess p;
  uint32_t* segments;  // (inner_height, ceil(inner_width / kSegment), 2)
  MAPT_INLINE void operator()(int64_t y, int64_t segment) const {
    const int64_t count = ceil_div(p.inner_width, kSegment);
    const uint8_t* row = p.out + y * p.out_width * 3;
    Summary found;
    const int64_t end = min((segment + 1) * kSegment, p.inner_width) * 3;
    for (int64_t i = segment * kSegment * 3; i < end; ++i) found.add(row[i], row[i], row[i]);
    found.write(segments + (y * count + segment) * 2);
  }
};

struct SummariseRow {
  Preprocess p;
  const uint32_t* segments;
  MAPT_INLINE void operator()(int64_t, int64_t y) const {
    const int64_t count = ceil_div(p.inner_width, kSegment);
    const uint32_t* row = segments + y * count * 2;
    Summary found;
    for (int64_t i = 0; i < count; ++i) found.add(row[2 * i] % 256, row[2 * i] / 256, row[2 * i + 1]);
    found.write(p.summary + 2 * y);
  }
};

template <>
struct KernelOf<Preprocess> {
  static uint32_t* allocate(const Preprocess& p, Arena& arena) {
    return arena.take<uint32_t>(p.inner_height, ceil_div(p.inner_width, kSegment), 2);
  }
  static const char* start(const Preprocess& p, uint32_t* segments, Stream stream) {
    const char* error = launch(stream, p.out_height, p.out_width, Resize{p});
    const int64_t count = ceil_div(p.inner_width, kSegment);
    error = first_error(error, launch(stream, p.inner_height, count, SummariseSegment{p, segments}));
    return first_error(error, launch(stream, 1, p.inner_height, SummariseRow{p, segments}));
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_KERNEL(preprocess, Preprocess)

}  // namespace mapt
