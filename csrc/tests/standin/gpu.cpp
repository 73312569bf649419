#include "tests/standin/gpu.h"

#include <sys/mman.h>

#include "tests/standin/cuda.h"

namespace standin {

namespace {

void set_open(bool open) {
  if (gpu().open != open && gpu().memory) mprotect(gpu().memory, kRoom, open ? PROT_READ | PROT_WRITE : PROT_NONE);
  gpu().open = open;
}

}  // namespace

Gpu& gpu() {
  static auto* found = new Gpu;  // lives as long as the process
  return *found;
}

int& contexts() {
  static thread_local int found = 0;
  return found;
}

void note(const std::string& line) { gpu().log += line + "\n"; }

Result fault(const char* function, bool in_context) {
  const auto found = gpu().failing.find(function);
  if (found != gpu().failing.end()) return found->second;
  return in_context && contexts() == 0 ? kInvalidContext : 0;
}

bool within(const Places& places, const void* address, std::size_t bytes) {
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  auto next = places.upper_bound(start);
  if (next == places.begin()) return false;
  --next;
  return start + bytes <= next->first + next->second;
}

Touch::Touch() : was_(gpu().open) { set_open(true); }
Touch::~Touch() { set_open(was_); }

void flush(Stream& stream) {
  const Touch touch;
  std::vector<Job> jobs;
  jobs.swap(stream.jobs);
  for (const Job& job : jobs) job.run(job.what.get());
}

}  // namespace standin

using namespace standin;

DRIVER void standin_note(const char* line) {
  const Held held(gpu().lock);
  note(line);
}

DRIVER const char* standin_log() {
  const Held held(gpu().lock);
  gpu().told.swap(gpu().log);
  gpu().log.clear();
  return gpu().told.c_str();
}

DRIVER void standin_fail(const char* function, Result result) {
  const Held held(gpu().lock);
  gpu().failing.erase(function);
  if (result) gpu().failing[function] = result;
}

DRIVER int standin_alive() {
  const Held held(gpu().lock);
  return static_cast<int>(gpu().device.size() + gpu().host.size() + gpu().streams.size() + gpu().graphs.size());
}

DRIVER int standin_holds(const void* address, std::size_t bytes) {
  const Held held(gpu().lock);
  return within(gpu().device, address, bytes);
}

DRIVER void standin_launch(void* stream, const char* name, void (*run)(void*), void (*drop)(void*), void* what) {
  const Held held(gpu().lock);
  static_cast<Stream*>(stream)->jobs.push_back({name, run, std::shared_ptr<void>(what, drop)});
  note(std::string("launch ") + name);
}
