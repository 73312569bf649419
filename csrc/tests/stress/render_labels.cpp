#include "operators/render_labels/params.h"
#include "tests/stress/stress.h"

namespace stress {
namespace {

void run_sizes(bool) {
  const int64_t sizes[][4] = {{8, 12, 33, 47}, {1, 1, 1, 1}, {64, 96, 7, 301}, {3, 5, 130, 1}};
  for (const auto& [in_height, in_width, height, width] : sizes) {
    std::vector<uint8_t> semantic(in_height * in_width), out[2];
    std::vector<int32_t> instance(in_height * in_width), rows(height), columns(width), ids[2];
    for (size_t i = 0; i < semantic.size(); ++i) semantic[i] = i % 19, instance[i] = static_cast<int32_t>(i) * 70001;
    for (int64_t y = 0; y < height; ++y) rows[y] = static_cast<int32_t>(y * in_height / height);
    for (int64_t x = 0; x < width; ++x) columns[x] = static_cast<int32_t>(x * in_width / width);
    for (int k = 0; k < 2; ++k) {
      out[k].assign(height * width, 0xee);
      ids[k].assign(height * width, -1);
      const mapt::RenderLabels p{semantic.data(), instance.data(), rows.data(), columns.data(), out[k].data(),
                                 ids[k].data(),   in_width,        height,      width};
      prepare(k ? kGridBackwards : kGrid);
      if (mapt::run_on_cuda(p, nullptr, nullptr)) std::abort();
    }
    check_bits("render_labels", out[0].data(), out[1].data(), out[0].size());
    check_bits("render_labels", ids[0].data(), ids[1].data(), ids[0].size() * sizeof(int32_t));
  }
}

Register registered(run_sizes);

}  // namespace
}  // namespace stress
