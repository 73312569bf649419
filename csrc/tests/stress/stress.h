// The shared part of the stress program's cases. Each operator has a file that runs its kernels on awkward sizes.
#pragma once

#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "common/half.h"
#include "common/parallel.h"
#include "cpu/dispatch.h"
#include "cuda/kernels.h"

namespace stress {

// The ways to run a kernel. The first two must give the same bits, and so must the last two.
enum Runner { kOneThread, kThreeThreads, kGrid, kGridBackwards, kRunners };

// Returns the threads of a way on the CPU. For the other ways, it sets the order of the grid.
const mapt::Parallel& prepare(Runner runner);

// Runs a kernel, and ends the program if it fails. The workspace has exactly the size that the kernel asks for.
template <class Params>
void run(Runner runner, const Params& params) {
  const mapt::Parallel& threads = prepare(runner);
  if (runner < kGrid) return mapt::run_on_cpu(params, threads);
  std::vector<char> workspace(mapt::cuda_workspace_bytes(params), '\xff');
  if (mapt::run_on_cuda(params, workspace.data(), nullptr)) std::abort();
}

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

// Notes a failure, which `what` describes, if `holds` is false.
void check(const char* what, bool holds);

// Notes a failure if the bits differ.
void check_bits(const char* what, const void* a, const void* b, size_t bytes);

// Compares the `results` of each way, which are a vector of numbers for each output.
template <class T, int COUNT>
void check_same(const char* what, const std::vector<T> (&results)[kRunners][COUNT]) {
  for (int i = 0; i < COUNT; ++i) {
    const size_t bytes = results[kOneThread][i].size() * sizeof(T);
    check_bits(what, results[kOneThread][i].data(), results[kThreeThreads][i].data(), bytes);
    check_bits(what, results[kGrid][i].data(), results[kGridBackwards][i].data(), bytes);
  }
}

// Runs a case with finite numbers, and with hostile ones.
using Case = void (*)(bool hostile);

// A global of this type adds a case.
struct Register {
  explicit Register(Case run);
};

}  // namespace stress
