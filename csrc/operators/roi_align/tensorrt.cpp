// RoIAlign over the pyramid as a TensorRT plugin, with the name, inputs and attributes that mapt/ops gives the node.
#include "operators/roi_align/params.h"
#include "tensorrt/plugin.h"

namespace mapt_trt {
namespace {

// p4, p8, p16, p32, each (B,F,h,w), boxes (R,5) float32 [batch index, x1, y1, x2, y2] -> (R,F,size,size)
struct MultiscaleRoiAlign {
  static constexpr const char* kName = "MultiscaleRoiAlign";
  static constexpr Field kDeclared[] = {{"output_size", 1, 1, mapt::kMaxBins},
                                        {"strides", mapt::kLevels, 1, mapt::kMaxStep},
                                        {"sampling_ratio", 1, 1, mapt::kMaxSamples}};
  static constexpr int32_t kCount = 3, kMinInputs = 5, kMaxInputs = 5, kRanks[] = {4, 4, 4, 4, 2};
  static constexpr bool is_float32(int32_t input) { return input == 4; }

  static DimsExprs shape(const Fields& fields, const DimsExprs* in, IExprBuilder& exprs) {
    const auto* size = exprs.constant(fields[0]);
    return dims({in[4].d[0], in[0].d[1], size, size});
  }
  static std::string check(const Fields&, const Sizes& s) {
    for (int32_t l = 1; l < mapt::kLevels; ++l) {
      if (!s.is(l, 0, s(0, 0)) || !s.is(l, 1, s(0, 1))) return "the levels differ in batch or channels";
    }
    for (int32_t l = 0; l < mapt::kLevels; ++l) {
      if (!s.is_map(l)) return "a level has more than 2^31 pixels";
    }
    return s.is(4, 1, 5) ? "" : "boxes are not (R, 5)";
  }
  // Few boxes on large maps need none, so the largest sizes alone do not tell what smaller maps need.
  static size_t workspace(const Fields& fields, const Sizes& s) {
    mapt::RoiAlign<float> p = params<float>(fields, s);
    p.count = mapt::kMaxPixels - 1;
    return mapt::cuda_workspace_bytes(p);
  }
  template <class T>
  static const char* run(const Fields& fields, const Call& call) {
    mapt::RoiAlign<T, float> p = params<T>(fields, call.sizes);
    for (int32_t l = 0; l < mapt::kLevels; ++l) p.features[l] = call.input<T>(l);
    p.boxes = call.input<float>(4), p.out = static_cast<T*>(call.output);
    return mapt::run_on_cuda(p, call.workspace, call.stream);
  }

 private:
  template <class T>
  static mapt::RoiAlign<T, float> params(const Fields& fields, const Sizes& s) {
    mapt::RoiAlign<T, float> p{};
    for (int32_t l = 0; l < mapt::kLevels; ++l) {
      p.heights[l] = s(l, 2), p.widths[l] = s(l, 3), p.strides[l] = fields[1 + l];
    }
    p.batch = s(0, 0), p.channels = s(0, 1), p.count = s(4, 0), p.size = fields[0], p.sampling_ratio = fields[5];
    return p;
  }
};

Register<MultiscaleRoiAlign> multiscale_roi_align;

}  // namespace
}  // namespace mapt_trt
