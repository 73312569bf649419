// Which cores this process may use, and whether so many threads may be started; `mapt/cores.py`.
#pragma once

namespace mapt {

constexpr int kMostThreads = 1024;

// Cores that this process may run on, limited by its container's CPU quota, rounded up.
int usable_cores();

// Starts `count` threads and lets them end. False where the system refused one: ONNX Runtime would wait for it for
// ever.
bool can_start_threads(int count);

}  // namespace mapt
