// What the stand-in of a GPU's driver knows; see cuda.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#define DRIVER extern "C" __attribute__((visibility("default")))

namespace standin {

using Result = int;
constexpr Result kInvalidValue = 1, kInvalidContext = 201, kNotPermitted = 800;
constexpr std::size_t kRoom = std::size_t{8} << 30, kAlignment = 256;  // bytes

// One thing that is queued: a copy or a kernel.
struct Job {
  std::string name;  // of a kernel
  void (*run)(void*);
  std::shared_ptr<void> what;
};

struct Stream {
  std::vector<Job> jobs;
  bool capturing = false;
};

struct Graph {
  std::vector<Job> jobs;
};

using Places = std::map<std::uintptr_t, std::size_t>;  // bytes by address

struct Gpu {
  std::recursive_mutex lock;
  char* memory = nullptr;
  std::size_t used = 0;
  bool open = false;  // whether its memory can be touched
  Places device, host;
  std::map<Stream*, std::unique_ptr<Stream>> streams;
  std::map<Graph*, std::unique_ptr<Graph>> graphs;
  std::map<std::string, Result> failing;
  std::string log, told;
};

using Held = std::lock_guard<std::recursive_mutex>;

Gpu& gpu();
// How many contexts the calling thread has made its own.
int& contexts();
void note(const std::string& line);
// What a function returns before it does anything.
Result fault(const char* function, bool in_context = true);
bool within(const Places& places, const void* address, std::size_t bytes);
// Does what is queued.
void flush(Stream& stream);

// Lets the device's memory be touched for a block.
class Touch {
 public:
  Touch();
  ~Touch();
  Touch(const Touch&) = delete;
  Touch& operator=(const Touch&) = delete;

 private:
  bool was_;
};

}  // namespace standin
