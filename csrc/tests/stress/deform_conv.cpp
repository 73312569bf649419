#include "operators/deform_conv/params.h"
#include "tests/stress/stress.h"

namespace stress {
namespace {

template <class V, class T>
void run_sizes(bool hostile) {
  struct Size {
    int64_t batch, channels, height, width, filters, kernel, stride, padding, dilation;
    bool shared;
  };
  const Size sizes[] = {{20, 1, 13, 21, 16, 3, 1, 1, 1, true},  {1, 1, 1, 1, 1, 3, 1, 1, 1, false},
                        {33, 1, 5, 7, 3, 1, 1, 0, 1, true},     {2, 3, 9, 11, 5, 3, 2, 1, 1, false},
                        {2, 17, 7, 50, 19, 3, 1, 12, 12, true}, {1, 64, 10, 13, 64, 3, 1, 1, 1, true},
                        {3, 1, 6, 6, 9, 5, 3, 2, 1, false},     {0, 2, 4, 4, 2, 3, 1, 1, 1, true}};
  for (const Size& s : sizes) {
    const int64_t out_height = (s.height + 2 * s.padding - s.dilation * (s.kernel - 1) - 1) / s.stride + 1;
    const int64_t out_width = (s.width + 2 * s.padding - s.dilation * (s.kernel - 1) - 1) / s.stride + 1;
    const int64_t taps = s.kernel * s.kernel, outputs = s.batch * s.filters * out_height * out_width;
    Numbers<V> values;
    Numbers<T> coordinates;
    const auto input = values.make(s.batch * s.channels * s.height * s.width, 1, false);
    const auto offset = coordinates.make((s.shared ? 1 : s.batch) * 2 * taps * out_height * out_width, 4, hostile);
    const auto weight = values.make(s.filters * s.channels * taps, 1, false);
    const auto bias = values.make(s.filters, 1, false), grad = values.make(outputs, 1, false);
    std::vector<V> results[kRunners][5];
    for (int k = 0; k < kRunners; ++k) {
      const auto runner = static_cast<Runner>(k);
      std::vector<V>* r = results[k];
      r[0].resize(outputs), r[1].resize(input.size()), r[2].resize(offset.size()), r[3].resize(weight.size());
      r[4].resize(bias.size());
      mapt::DeformConv<V, T> p = {input.data(), offset.data(), weight.data(), bias.data(), r[0].data(), s.batch,
                                  s.channels,   s.height,      s.width,       s.filters,   s.kernel,    s.kernel,
                                  out_height,   out_width,     s.stride,      s.padding,   s.dilation,  s.shared};
      run(runner, p);
      if constexpr (std::is_same_v<V, T>) {
        p.bias = nullptr, p.out = nullptr;
        run(runner, mapt::DeformConvGrad<T>{p, grad.data(), r[1].data(), r[2].data(), r[3].data(), r[4].data()});
        run(runner, mapt::DeformConvGrad<T>{p, grad.data(), nullptr, r[2].data(), nullptr, nullptr});
      }
    }
    check_same("deform_conv2d", results);
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
