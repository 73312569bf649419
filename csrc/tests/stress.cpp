// Runs every kernel on awkward sizes and hostile numbers, for AddressSanitizer and UBSan (`make sanitize`): the CPU's,
// and those for CUDA as loops. All buffers have exactly the size that params.h names or the kernel asks for. Also: the
// same bits from one thread and from three, and from a grid run first to last and last to first.
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "cpu/kernels.h"
#include "cuda/kernels.h"
#include "shim/grid.h"

namespace {

using mapt::Parallel;

void serial(void*, int64_t tasks, Parallel::Body body, void* context) { body(context, 0, tasks); }

void three_threads(void*, int64_t tasks, Parallel::Body body, void* context) {
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < 3; ++i) {
    const int64_t begin = tasks * i / 3, end = tasks * (i + 1) / 3;
    if (begin < end) threads.emplace_back([=] { body(context, begin, end); });
  }
  for (std::thread& thread : threads) thread.join();
}

const Parallel kSerial = {serial, nullptr}, kThreads = {three_threads, nullptr};

// Who computes: results of the first two have the same bits, and so have those of the last two.
enum Runner { kOneThread, kThreeThreads, kGrid, kGridBackwards, kRunners };

template <class T>
class Kernels {
 public:
  explicit Kernels(int runner) : runner_(runner) { shim::backwards = runner == kGridBackwards; }

  void deform_conv2d(const mapt::DeformConv<T>& p) const {
    on_cpu() ? mapt::cpu_kernels<T>().deform_conv2d(p, threads()) : fail(mapt::cuda_deform_conv2d(p, nullptr));
  }
  void deform_conv2d_backward(const mapt::DeformConvGrad<T>& g) const {
    if (on_cpu()) return mapt::cpu_kernels<T>().deform_conv2d_backward(g, threads());
    std::vector<char> workspace(mapt::cuda_deform_conv2d_backward_bytes(g), '\xff');
    fail(mapt::cuda_deform_conv2d_backward(g, workspace.data(), nullptr));
  }
  void roi_align(const mapt::RoiAlign<T>& p) const {
    on_cpu() ? mapt::cpu_kernels<T>().roi_align(p, threads()) : fail(mapt::cuda_roi_align(p, nullptr));
  }
  void roi_align_backward(const mapt::RoiAlignGrad<T>& g) const {
    if (on_cpu()) return mapt::cpu_kernels<T>().roi_align_backward(g, threads());
    std::vector<char> workspace(mapt::cuda_roi_align_backward_bytes(g), '\xff');
    fail(mapt::cuda_roi_align_backward(g, workspace.data(), nullptr));
  }
  void propagate(const mapt::Propagate<T>& p) const {
    if (on_cpu()) return mapt::cpu_kernels<T>().propagate(p, threads());
    std::vector<char> workspace(mapt::cuda_propagate_bytes(p), '\xff');
    fail(mapt::cuda_propagate(p, workspace.data(), nullptr));
  }

 private:
  bool on_cpu() const { return runner_ < kGrid; }
  const Parallel& threads() const { return runner_ == kOneThread ? kSerial : kThreads; }
  static void fail(const char* error) {
    if (error) std::abort();
  }

  int runner_;
};

template <class T>
class Numbers {
 public:
  // `hostile`: one number in five is NaN, infinite, huge or tiny.
  std::vector<T> make(int64_t count, double scale, bool hostile) {
    const double odd[] = {std::numeric_limits<double>::quiet_NaN(),
                          std::numeric_limits<double>::infinity(),
                          -std::numeric_limits<double>::infinity(),
                          1e30,
                          -1e30,
                          2147483648.0,
                          -2147483649.0,
                          9.3e18,
                          -1.0,
                          1e-42};
    std::vector<T> values(count);
    for (T& value : values) {
      value = static_cast<T>(normal_(random_) * scale);
      if (hostile && random_() % 5 == 0) value = static_cast<T>(odd[random_() % 10]);
    }
    return values;
  }

 private:
  std::mt19937 random_{7};
  std::normal_distribution<double> normal_;
};

int failures = 0;

template <class T>
void check_pair(const char* what, const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0)) return;
  std::printf("%s: other bits with other threads\n", what);
  ++failures;
}

// `results` of each way, one vector of numbers per output.
template <class T, int COUNT>
void check_same(const char* what, const std::vector<T> (&results)[kRunners][COUNT]) {
  for (int i = 0; i < COUNT; ++i) {
    check_pair(what, results[kOneThread][i], results[kThreeThreads][i]);
    check_pair(what, results[kGrid][i], results[kGridBackwards][i]);
  }
}

template <class T>
void stress_deform_conv2d(bool hostile) {
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
    Numbers<T> numbers;
    const auto input = numbers.make(s.batch * s.channels * s.height * s.width, 1, false);
    const auto offset = numbers.make((s.shared ? 1 : s.batch) * 2 * taps * out_height * out_width, 4, hostile);
    const auto weight = numbers.make(s.filters * s.channels * taps, 1, false);
    const auto bias = numbers.make(s.filters, 1, false), grad = numbers.make(outputs, 1, false);
    std::vector<T> results[kRunners][5];
    for (int k = 0; k < kRunners; ++k) {
      const Kernels<T> kernels(k);
      std::vector<T>* r = results[k];
      r[0].resize(outputs), r[1].resize(input.size()), r[2].resize(offset.size()), r[3].resize(weight.size());
      r[4].resize(bias.size());
      mapt::DeformConv<T> p = {input.data(), offset.data(), weight.data(), bias.data(), r[0].data(), s.batch,
                               s.channels,   s.height,      s.width,       s.filters,   s.kernel,    s.kernel,
                               out_height,   out_width,     s.stride,      s.padding,   s.dilation,  s.shared};
      kernels.deform_conv2d(p);
      p.bias = nullptr, p.out = nullptr;
      kernels.deform_conv2d_backward({p, grad.data(), r[1].data(), r[2].data(), r[3].data(), r[4].data()});
      kernels.deform_conv2d_backward({p, grad.data(), nullptr, r[2].data(), nullptr, nullptr});
    }
    check_same("deform_conv2d", results);
  }
}

template <class T>
void stress_roi_align(bool hostile) {
  struct Size {
    int64_t batch, channels, height, width, count, size, ratio;
  };
  const Size sizes[] = {{2, 19, 193, 311, 90, 7, 2},
                        {1, 1, 33, 65, 70, 1, 1},
                        {1, 16, 32, 32, 5, 14, 3},
                        {1, 3, 64, 64, 0, 7, 2},
                        {3, 33, 1, 1, 20, 3, 2}};
  for (const Size& s : sizes) {
    Numbers<T> numbers;
    mapt::RoiAlign<T> p{};
    std::vector<T> features[mapt::kLevels], results[kRunners][1 + mapt::kLevels];
    for (int l = 0; l < mapt::kLevels; ++l) {
      p.strides[l] = int64_t{4} << l;
      p.heights[l] = (s.height + p.strides[l] - 1) / p.strides[l],
      p.widths[l] = (s.width + p.strides[l] - 1) / p.strides[l];
      features[l] = numbers.make(s.batch * s.channels * p.heights[l] * p.widths[l], 1, false);
      p.features[l] = features[l].data();
    }
    auto boxes = numbers.make(s.count * 5, 300, hostile);
    // One image in seven is none of the batch; kernels leave those boxes zero.
    for (int64_t r = 0; r < s.count; ++r) boxes[r * 5] = static_cast<T>(r % 7 == 6 ? -1.5 * r : r % s.batch);
    const auto grad = numbers.make(s.count * s.channels * s.size * s.size, 1, false);
    p.boxes = boxes.data(), p.batch = s.batch, p.channels = s.channels, p.count = s.count, p.size = s.size;
    p.sampling_ratio = s.ratio;
    for (int k = 0; k < kRunners; ++k) {
      const Kernels<T> kernels(k);
      results[k][0].resize(grad.size());
      p.out = results[k][0].data();
      kernels.roi_align(p);
      mapt::RoiAlignGrad<T> g{p, grad.data(), {}};
      for (int l = 0; l < mapt::kLevels; ++l) {
        results[k][1 + l].resize(features[l].size());
        g.grads[l] = results[k][1 + l].data();
      }
      kernels.roi_align_backward(g);
    }
    check_same("roi_align", results);
  }
}

template <class T>
void stress_propagate(bool hostile) {
  struct Size {
    int64_t count, height, width, filters;
  };
  const Size sizes[] = {{20, 9, 33, 16}, {1, 1, 1, 1}, {700, 5, 7, 2}, {3, 48, 5, 3}, {0, 4, 4, 2}};
  for (const Size& s : sizes) {
    Numbers<T> numbers;
    const int64_t pixels = s.height * s.width;
    auto masks = numbers.make(s.count * pixels, 1, false);
    for (int64_t i = 0; i < s.count * pixels; ++i) {
      if (i / pixels % 3 == 1 || i % pixels > pixels / 2) masks[i] = 0;
    }
    const auto offsets = numbers.make(4 * 18 * pixels, 4, hostile), weights = numbers.make(4 * s.filters * 9, 1, false);
    const auto projection = numbers.make(4 * s.filters, 1, false), bias = numbers.make(1, 1, false);
    const auto boxes = numbers.make(s.count * 4, 200, hostile);
    std::vector<T> results[kRunners][2];
    for (int k = 0; k < kRunners; ++k) {
      results[k][0].resize(masks.size()), results[k][1].resize(s.count * 4 * s.filters * 49);
      Kernels<T>(k).propagate({masks.data(), offsets.data(), weights.data(), projection.data(), bias.data(),
                               boxes.data(), results[k][0].data(), results[k][1].data(), s.count, s.height, s.width,
                               s.filters});
    }
    check_same("propagate", results);
  }
}

template <class T>
void stress() {
  for (const bool hostile : {false, true}) {
    stress_deform_conv2d<T>(hostile);
    stress_roi_align<T>(hostile);
    stress_propagate<T>(hostile);
  }
}

}  // namespace

int main() {
  stress<float>();
  stress<double>();
  std::printf("%s: %s\n", mapt::cpu_isa(), failures ? "failed" : "clean");
  return failures != 0;
}
