#include "operators/greedy_keep/params.h"
#include "tests/stress/stress.h"

namespace stress {
namespace {

template <class T>
void run_sizes(bool hostile) {
  for (const int64_t count : {0, 1, 63, 64, 65, 200, 700}) {
    Numbers<T> numbers;
    const auto suppresses = numbers.make(count * count, 0.3, hostile);
    std::vector<T> results[kRunners][1];
    for (int k = 0; k < kRunners; ++k) {
      results[k][0].resize(count);
      run(static_cast<Runner>(k), mapt::GreedyKeep<T>{suppresses.data(), results[k][0].data(), count});
    }
    check_same("greedy_keep", results);
    check_bits("greedy_keep on a grid", results[kOneThread][0].data(), results[kGrid][0].data(), count * sizeof(T));
  }
}

Register registered([](bool hostile) {
  run_sizes<float>(hostile);
  run_sizes<double>(hostile);
});

}  // namespace
}  // namespace stress
