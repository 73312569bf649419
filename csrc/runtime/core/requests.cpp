#include "runtime/core/requests.h"

#include <algorithm>
#include <cmath>

namespace mapt {

Status check_image(const Image& image) {
  if (image.height < 1 || image.width < 1 || !image.data) {
    return Status::of(Code::kInput, "image is empty (%d, %d, 3); step() needs at least one pixel", image.height,
                      image.width);
  }
  if (image.stride < int64_t{image.width} * 3) {
    return Status::of(Code::kInput, "image has a stride of %lld bytes; a row of %d pixels takes %lld",
                      static_cast<long long>(image.stride), image.width, 3LL * image.width);
  }
  if (std::max(image.height, image.width) > kMostSide || int64_t{image.height} * image.width > kMostPixels) {
    return Status::of(Code::kInput, "image is %dx%d; step() takes sides of up to %d and %lld pixels in all",
                      image.height, image.width, kMostSide, static_cast<long long>(kMostPixels));
  }
  return {};
}

Status check_stamp(int64_t stamp_ns, const Accepted& last, double max_jump) {
  const auto stamp = static_cast<long long>(stamp_ns);
  if (stamp_ns < 0) {
    return Status::of(Code::kStamp, "stamp %lld is no time; give whole nanoseconds within 0..2^63 - 1", stamp);
  }
  if (!last.known) return {};
  if (stamp_ns <= last.stamp_ns) {
    return Status::of(Code::kStamp, "stamp %lld ns is not after %lld ns; stamps must rise, or call reset()", stamp,
                      static_cast<long long>(last.stamp_ns));
  }
  const int64_t ahead = stamp_ns - last.stamp_ns;
  if (ahead > static_cast<int64_t>(std::nearbyint(max_jump * 1e9))) {
    return Status::of(Code::kStamp,
                      "stamp %lld ns is %.1f hours ahead, more than %g s; if the clock was set, call reset()", stamp,
                      static_cast<double>(ahead) / 3.6e12, max_jump);
  }
  return {};
}

Status check_deadline(double deadline_ms) {
  if (std::isnan(deadline_ms) || (deadline_ms > 0 && std::isfinite(deadline_ms))) return {};
  return Status::of(Code::kInput, "deadline_ms is %g; give milliseconds above 0, or None", deadline_ms);
}

}  // namespace mapt
