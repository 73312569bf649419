// Brings label maps to the image's size. The caller says which pixel is the nearest, so that a GPU and a CPU agree on
// it.
#include "cuda/launch.cuh"
#include "operators/render_labels/params.h"

MAPT_BEGIN

struct GatherLabels {
  RenderLabels p;
  MAPT_INLINE void operator()(int64_t y, int64_t x) const {
    const int64_t from = p.rows[y] * p.in_width + p.columns[x], to = y * p.width + x;
    p.out_semantic[to] = p.semantic[from];
    p.out_instance[to] = p.instance[from];
  }
};

template <>
struct KernelOf<RenderLabels> {
  static Nothing allocate(const RenderLabels&, Arena&) { return {}; }
  static const char* start(const RenderLabels& p, Nothing, Stream stream) {
    return launch(stream, p.height, p.width, GatherLabels{p});
  }
};

MAPT_END

namespace mapt {

MAPT_CUDA_KERNEL(render_labels, RenderLabels)

}  // namespace mapt
