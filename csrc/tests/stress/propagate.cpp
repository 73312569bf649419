#include "operators/propagate/params.h"
#include "tests/stress/stress.h"

namespace stress {
namespace {

template <class V, class T>
void run_sizes(bool hostile) {
  struct Size {
    int64_t count, height, width, filters;
  };
  const Size sizes[] = {{20, 9, 33, 16}, {1, 1, 1, 1}, {700, 5, 7, 2}, {3, 48, 5, 3}, {0, 4, 4, 2}};
  for (const Size& s : sizes) {
    Numbers<V> values;
    Numbers<T> coordinates;
    const int64_t pixels = s.height * s.width;
    auto masks = values.make(s.count * pixels, 1, false);
    for (int64_t i = 0; i < s.count * pixels; ++i) {
      if (i / pixels % 3 == 1 || i % pixels > pixels / 2) masks[i] = static_cast<V>(0.0F);
    }
    const auto offsets = coordinates.make(4 * 18 * pixels, 4, hostile);
    const auto weights = values.make(4 * s.filters * 9, 1, false);
    const auto projection = values.make(4 * s.filters, 1, false), bias = values.make(1, 1, false);
    const auto boxes = coordinates.make(s.count * 4, 200, hostile);
    std::vector<V> results[kRunners][2];
    for (int k = 0; k < kRunners; ++k) {
      results[k][0].resize(masks.size()), results[k][1].resize(s.count * 4 * s.filters * 49);
      const mapt::Propagate<V, T> p = {
          masks.data(),         offsets.data(),       weights.data(), projection.data(), bias.data(), boxes.data(),
          results[k][0].data(), results[k][1].data(), s.count,        s.height,          s.width,     s.filters};
      run(static_cast<Runner>(k), p);
    }
    check_same("propagate", results);
  }
}

Register registered([](bool hostile) {
  run_sizes<float, float>(hostile);
  run_sizes<double, double>(hostile);
  run_sizes<mapt::Half, float>(hostile);
  run_sizes<mapt::BFloat16, float>(hostile);
});

}  // namespace
}  // namespace stress
