// Resizes an image bilinearly with exactly the bits of OpenCV's INTER_LINEAR_EXACT, on every processor.
#pragma once

#include <cstdint>
#include <vector>

namespace mapt {

// Where the pixels of one side come from: pixel `first[i]` with weight `weights[2 i]` and the next one with
// `weights[2 i + 1]`, in 256ths. Outside [begin, end) the border's pixel is taken as it is.
struct ResizeTable {
  std::vector<std::int32_t> first;
  std::vector<std::uint16_t> weights;
  int begin = 0, end = 0;
};

ResizeTable resize_table(int from, int to);

// Resizes images of one size to another. Its memory is laid out when the sizes change.
class LinearResize {
 public:
  // `source` has `stride` bytes from row to row, `target` `target_stride`; both hold RGB of 8 bits.
  void run(const std::uint8_t* source, int height, int width, std::int64_t stride, std::uint8_t* target,
           int target_height, int target_width, std::int64_t target_stride);

 private:
  const std::uint16_t* row(const std::uint8_t* source, std::int64_t stride, int y, int slot);
  void prepare(int height, int width, int target_height, int target_width);

  int height_ = 0, width_ = 0, target_height_ = 0, target_width_ = 0;
  ResizeTable across_, down_;
  std::vector<std::uint16_t> rows_[2];  // two resized rows of the source, in 256ths
  int held_[2] = {-1, -1};              // which rows they are
};

}  // namespace mapt
