// A GPU's driver on a machine without one, for tests: libcuda.so.1 as libmapt loads it.
//
// Device memory is the host's, but nobody can touch it while nothing runs "on the GPU": that ends the process. What is
// queued happens only when its stream is waited for. So a missing copy, a copy in the wrong order, a missing wait and a
// host that reads the device's memory all show.
#pragma once

#include <cstddef>

extern "C" {
// Queues a kernel: `run` is called with `what`, which `drop` frees once no stream or graph needs it.
void standin_launch(void* stream, const char* name, void (*run)(void*), void (*drop)(void*), void* what);
// Whether bytes lie in the device's memory.
int standin_holds(const void* address, std::size_t bytes);
// Adds a line to the log, and reads and clears it.
void standin_note(const char* line);
const char* standin_log();
// Lets a function of the driver fail from now on with this result; 0: no longer.
void standin_fail(const char* function, int result);
// Allocations of the device and of page-locked memory, streams and graphs that are alive.
int standin_alive();
}
