// Random numbers, sides and tensors for the fuzzers. Most of them fit together, and some have any size.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace fuzz {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool one_in(int64_t n) { return between(1, n) == 1; }

  // A number as in hostile files, near a power of two or an end of a type's range.
  int64_t hostile() {
    const int64_t power = int64_t{1} << between(0, 62), near = between(-2, 2);
    const int64_t ends[] = {0, -1, std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min(),
                            std::numeric_limits<int32_t>::max()};
    if (one_in(3)) return ends[between(0, 4)];
    return one_in(4) ? -power : power + near;
  }

  // Returns `fitting`, or any number once in `rarely` calls.
  int64_t mostly(int64_t fitting, int64_t rarely) { return one_in(rarely) ? hostile() : fitting; }

  std::vector<float> values(int64_t count, double scale) {
    const float odd[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e30f, 3e9f};
    std::vector<float> made(static_cast<size_t>(count));
    for (float& value : made) {
      value = static_cast<float>(between(-1000, 1000) * scale / 1000);
      if (one_in(20)) value = odd[between(0, 3)];
    }
    return made;
  }

 private:
  std::mt19937_64 engine_;
};

constexpr int64_t kMaxValues = 1 << 16;  // of one tensor that is given memory

// Returns the number of elements, or -1 if a side is negative or the tensor would need too much memory.
inline int64_t elements(const std::vector<int64_t>& sides) {
  int64_t count = 1;
  bool empty = false;
  for (const int64_t side : sides) {
    if (side < 0) return -1;
    empty = empty || side == 0;
  }
  if (empty) return 0;
  for (const int64_t side : sides) {
    if (side > kMaxValues / count) return -1;
    count *= side;
  }
  return count;
}

// Draws the inputs of a call. Their sides fit the operator, but sometimes one number is changed.
using Sides = std::vector<std::vector<int64_t>>;

inline Sides convolution_sides(Random& random, int64_t stride, int64_t padding, int64_t dilation) {
  const int64_t batch = random.between(0, 3), channels = random.between(0, 5), filters = random.between(0, 5);
  const int64_t height = random.between(1, 9), width = random.between(1, 9), kernel = random.between(1, 3);
  const auto side = [&](int64_t of) {
    __int128 room = static_cast<__int128>(of) + 2 * static_cast<__int128>(padding);
    room -= static_cast<__int128>(dilation) * (kernel - 1) + 1;
    return stride > 0 && room >= 0 ? static_cast<int64_t>(room / stride + 1) : int64_t{1};
  };
  const int64_t fields = random.one_in(2) ? 1 : batch;
  return {{batch, channels, height, width},
          {fields, 2 * kernel * kernel, side(height), side(width)},
          {filters, channels, kernel, kernel},
          {filters}};
}

inline Sides pyramid_sides(Random& random) {
  const int64_t batch = random.between(0, 2), channels = random.between(0, 20), side = random.between(1, 20);
  Sides sides;
  for (int64_t level = 0; level < 4; ++level) {
    sides.push_back({batch, channels, 1 + side / (int64_t{1} << level), 1 + random.between(0, 9)});
  }
  sides.push_back({random.between(0, 6), 5});
  return sides;
}

inline Sides motion_sides(Random& random, bool features) {
  const int64_t count = random.between(0, 20), height = random.between(1, 9), width = random.between(1, 9);
  const int64_t filters = random.between(1, 4);
  Sides sides = {{count, 1, height, width}, {4, 18, height, width}, {4, filters, 1, 3, 3}};
  if (features) {
    sides.push_back({count, 4});
  } else {
    sides.push_back({4 * filters});
    sides.push_back({1});
  }
  return sides;
}

inline Sides square_sides(Random& random) {
  const int64_t count = random.between(0, 140);
  return {{count, count}};
}

// Draws inputs of one shape, for operators that the fuzzer does not know.
inline Sides equal_sides(Random& random, int64_t inputs) {
  std::vector<int64_t> sides(static_cast<size_t>(random.between(1, 4)));
  for (int64_t& side : sides) side = random.between(0, 6);
  return Sides(static_cast<size_t>(inputs), sides);
}

// Changes a side, or adds or removes an axis. Empty tensors may then have sides of any length.
inline void corrupt(Random& random, Sides& sides) {
  if (sides.empty()) return;
  std::vector<int64_t>& one = sides[static_cast<size_t>(random.between(0, static_cast<int64_t>(sides.size()) - 1))];
  if (one.empty()) one.push_back(1);
  const auto axis = static_cast<size_t>(random.between(0, static_cast<int64_t>(one.size()) - 1));
  const int64_t what = random.between(0, 5);
  if (what == 0) one.push_back(random.between(0, 3));
  if (what == 1) one.erase(one.begin() + static_cast<int64_t>(axis));
  if (what > 1) one[axis] = what == 2 ? random.between(0, 9) : random.hostile();
  if (what > 3 && !one.empty()) one[(axis + 1) % one.size()] = 0;
}

}  // namespace fuzz
