// mapt::MultiscaleRoiAlign: p4, p8, p16, p32, each (B,F,h,w), boxes (R,5) [batch index, x1, y1, x2, y2] in input pixels
// -> (R,F,size,size); attributes output_size, strides, sampling_ratio.
#include <cmath>

#include "onnxruntime/custom_op.h"
#include "operators/roi_align/params.h"

namespace mapt_ort {
namespace {

template <class Device>
class MultiscaleRoiAlign {
 public:
  static constexpr const char* kName = "MultiscaleRoiAlign";
  static constexpr size_t kInputs = mapt::kLevels + 1, kOptional = 0;

  explicit MultiscaleRoiAlign(const Attributes& attributes)
      : size_(attributes.integer("output_size", 1, mapt::kMaxBins)),
        ratio_(attributes.integer("sampling_ratio", 1, mapt::kMaxSamples)),
        strides_(attributes.integers("strides", mapt::kLevels, 1, mapt::kMaxStep)) {}

  void compute(const Call& call) const {
    const Input boxes = call.input(mapt::kLevels);
    boxes.check_dims("boxes", 2);
    mapt::RoiAlign<float> p{};
    p.boxes = boxes.data, p.count = boxes.size(0), p.size = size_, p.sampling_ratio = ratio_;
    boxes.check_shape("boxes", {p.count, 5});
    for (size_t l = 0; l < mapt::kLevels; ++l) {
      const Input level = call.input(l);
      level.check_map("features");
      if (l == 0) p.batch = level.size(0), p.channels = level.size(1);
      level.check_shape("features", {p.batch, p.channels, level.size(2), level.size(3)});
      p.features[l] = level.data, p.heights[l] = level.size(2), p.widths[l] = level.size(3), p.strides[l] = strides_[l];
    }
    if constexpr (Device::kReadsInputs) check_images(p);
    p.out = call.output(0, {p.count, p.channels, size_, size_});
    Device::run(call, p);
  }

 private:
  static void check_images(const mapt::RoiAlign<float>& p) {
    for (int64_t r = 0; r < p.count; ++r) {
      const float image = p.boxes[r * 5];
      if (!(image >= 0 && image < static_cast<float>(p.batch) && image == std::floor(image))) {
        refuse("box ", r, " lies in image ", image, " of a batch of ", p.batch);
      }
    }
  }

  int64_t size_, ratio_;
  std::vector<int64_t> strides_;
};

Register<MultiscaleRoiAlign> multiscale_roi_align;

}  // namespace
}  // namespace mapt_ort
