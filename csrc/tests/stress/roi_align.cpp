#include "operators/roi_align/params.h"
#include "tests/stress/stress.h"

namespace stress {
namespace {

template <class V, class T>
void run_sizes(bool hostile) {
  struct Size {
    int64_t batch, channels, height, width, count, size, ratio;
  };
  const Size sizes[] = {{2, 19, 193, 311, 90, 7, 2},
                        {1, 1, 33, 65, 70, 1, 1},
                        {1, 16, 32, 32, 5, 14, 3},
                        {1, 3, 64, 64, 0, 7, 2},
                        {3, 33, 1, 1, 20, 3, 2}};
  for (const Size& s : sizes) {
    Numbers<V> values;
    Numbers<T> coordinates;
    mapt::RoiAlign<V, T> p{};
    std::vector<V> features[mapt::kLevels], results[kRunners][1 + mapt::kLevels];
    for (int l = 0; l < mapt::kLevels; ++l) {
      p.strides[l] = int64_t{4} << l;
      p.heights[l] = (s.height + p.strides[l] - 1) / p.strides[l],
      p.widths[l] = (s.width + p.strides[l] - 1) / p.strides[l];
      features[l] = values.make(s.batch * s.channels * p.heights[l] * p.widths[l], 1, false);
      p.features[l] = features[l].data();
    }
    auto boxes = coordinates.make(s.count * 5, 300, hostile);
    // One box in seven has an image index outside the batch. Kernels give zeros for these boxes.
    for (int64_t r = 0; r < s.count; ++r) boxes[r * 5] = static_cast<T>(r % 7 == 6 ? -1.5 * r : r % s.batch);
    const auto grad = values.make(s.count * s.channels * s.size * s.size, 1, false);
    p.boxes = boxes.data(), p.batch = s.batch, p.channels = s.channels, p.count = s.count, p.size = s.size;
    p.sampling_ratio = s.ratio;
    for (int k = 0; k < kRunners; ++k) {
      const auto runner = static_cast<Runner>(k);
      results[k][0].resize(grad.size());
      p.out = results[k][0].data();
      run(runner, p);
      if constexpr (std::is_same_v<V, T>) {
        mapt::RoiAlignGrad<T> g{p, grad.data(), {}};
        for (int l = 0; l < mapt::kLevels; ++l) {
          results[k][1 + l].resize(features[l].size());
          g.grads[l] = results[k][1 + l].data();
        }
        run(runner, g);
      }
    }
    check_same("roi_align", results);
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
