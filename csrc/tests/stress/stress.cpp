// Runs every kernel on awkward sizes and hostile numbers, under AddressSanitizer and UBSan (`make sanitize`). CUDA's
// kernels run as loops. All buffers have exactly the size that params.h states or the kernel asks for. One and three
// threads must give the same bits, and so must a grid that runs forwards and backwards.
#include "tests/stress/stress.h"

#include <cstdio>

#include "cpu/thread_pool.h"
#include "shim/grid.h"

namespace stress {
namespace {

using mapt::Parallel;

void serial(void*, int64_t tasks, Parallel::Body body, void* context) { body(context, 0, tasks); }

void three_threads(void*, int64_t tasks, Parallel::Body body, void* context) {
  static mapt::ThreadPool pool;
  pool.run(3, tasks, body, context);
}

const Parallel kSerial = {serial, nullptr}, kThreads = {three_threads, nullptr};

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

int failures = 0;

}  // namespace

const Parallel& prepare(Runner runner) {
  shim::backwards = runner == kGridBackwards;
  return runner == kOneThread ? kSerial : kThreads;
}

void check(const char* what, bool holds) {
  if (holds) return;
  std::printf("%s\n", what);
  ++failures;
}

void check_bits(const char* what, const void* a, const void* b, size_t bytes) {
  if (bytes == 0 || std::memcmp(a, b, bytes) == 0) return;
  std::printf("%s: other bits with other threads\n", what);
  ++failures;
}

Register::Register(Case run) { cases().push_back(run); }

}  // namespace stress

int main() {
  for (const stress::Case run : stress::cases()) {
    for (const bool hostile : {false, true}) run(hostile);
  }
  std::printf("%s: %s\n", mapt::isa_name(), stress::failures ? "failed" : "clean");
  return stress::failures != 0;
}
