#include "operators/preprocess/params.h"
#include "tests/stress/stress.h"

namespace stress {
namespace {

// Random bytes in a block of exactly the size that the strides reach.
std::vector<uint8_t> noise(int64_t count) {
  static std::mt19937 random(11);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

// There is no kernel for CPUs: the grid runs forwards and backwards.
void run_sizes(bool) {
  struct Size {
    int64_t height, width, inner_height, inner_width, out_height, out_width, pitch;
  };
  const Size sizes[] = {{375, 1242, 192, 636, 192, 640, 0}, {1, 1, 1, 1, 1, 1, 0},       {2, 2, 64, 64, 64, 96, 5},
                        {7, 301, 2, 96, 64, 96, 1},         {64, 96, 64, 96, 64, 96, 0}, {301, 7, 64, 1, 64, 96, 3}};
  for (const Size& s : sizes) {
    for (const int64_t layout : {int64_t{0}, int64_t{1}, int64_t{2}}) {  // RGB, NV12, BGR
      const bool nv12 = layout == mapt::kNv12;
      const int64_t height = nv12 ? s.height / 2 * 2 : s.height, width = nv12 ? s.width / 2 * 2 : s.width;
      if (height == 0 || width == 0) continue;
      const int64_t channels = nv12 ? 1 : 3, pitch = width * channels + s.pitch;
      const auto pixels = noise((height - 1) * pitch + width * channels);
      const auto chroma = noise(nv12 ? (height / 2 - 1) * pitch + width : 0);
      mapt::Preprocess p{};
      p.pixels = pixels.data() + (layout == 2 ? 2 : 0);
      p.chroma = nv12 ? chroma.data() : nullptr;
      p.height = height, p.width = width;
      p.row_stride = pitch, p.column_stride = channels, p.channel_stride = layout == 2 ? -1 : 1;
      p.chroma_stride = pitch, p.layout = nv12 ? mapt::kNv12 : 0;
      p.inner_height = s.inner_height, p.inner_width = s.inner_width;
      p.out_height = s.out_height, p.out_width = s.out_width;
      p.yuv = {1220945, 2215014, -223607, -558796, 1879825};
      std::vector<uint8_t> out[2];
      std::vector<uint32_t> summary[2];
      for (int k = 0; k < 2; ++k) {
        out[k].assign(s.out_height * s.out_width * 3, 0xee);
        summary[k].assign(s.inner_height * 2, 0);
        p.out = out[k].data(), p.summary = summary[k].data();
        prepare(k ? kGridBackwards : kGrid);
        std::vector<char> workspace(mapt::cuda_workspace_bytes(p), '\xff');
        if (mapt::run_on_cuda(p, workspace.data(), nullptr)) std::abort();
      }
      check_bits("preprocess", out[0].data(), out[1].data(), out[0].size());
      check_bits("preprocess", summary[0].data(), summary[1].data(), summary[0].size() * sizeof(uint32_t));
    }
  }
}

Register registered(run_sizes);

}  // namespace
}  // namespace stress
