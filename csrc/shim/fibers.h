// Runs the threads of a CUDA block as fibres on one thread of the CPU, so that kernels may use barriers.
//
// A thread runs until it reaches a barrier, and then the next thread runs. What a thread reads before a barrier
// therefore differs between the two orders of threads if another thread writes it, and so do the kernel's results.
#pragma once

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define MAPT_SHIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAPT_SHIM_ASAN 1
#endif
#endif
#if defined(MAPT_SHIM_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

// Without the check of hardened builds, which takes a jump to another stack for a mistake.
extern "C" [[noreturn]] void mapt_shim_longjmp(jmp_buf state, int value) __asm__("_longjmp");

namespace shim {

constexpr int kWarp = 32;
constexpr size_t kStack = size_t{512} << 10;

enum class Pause { kWarp, kBlock, kEnd };

// The threads of one block. `run` calls a function once for each thread.
class Fibers {
 public:
  using Body = void (*)(void* context);
  using Enter = void (*)(int thread);  // called whenever a thread goes on

  // Returns the fibres of the calling thread. They live as long as the thread.
  static Fibers& get() {
    static thread_local Fibers fibers;
    return fibers;
  }

  void run(int threads, bool backwards, Enter enter, Body body, void* context) {
    while (static_cast<int>(all_.size()) < threads) add();
    body_ = body, context_ = context, enter_ = enter;
    const int warps = (threads + kWarp - 1) / kWarp;
    for (bool done = false; !done;) {
      int ended = 0;
      for (int i = 0; i < warps; ++i) {
        const int warp = backwards ? warps - 1 - i : i;
        ended += run_warp(warp * kWarp, threads < (warp + 1) * kWarp ? threads : (warp + 1) * kWarp, backwards);
      }
      if (ended != 0 && ended != threads) fail("some threads of a block end at a barrier of the others");
      done = ended == threads;
    }
  }

  // Called by a thread: waits for the other threads of its warp or block.
  void wait(Pause pause) {
    Fiber& fiber = *all_[current_];
    fiber.pause = pause;
    leave(fiber);
  }

  int current() const { return current_; }

  // What a thread shows to the others of its warp.
  const void* shown[1024] = {};

 private:
  struct Fiber {
    jmp_buf state;
    ucontext_t first;
    void* stack = nullptr;
    bool started = false;
    Pause pause = Pause::kEnd;
    void* fake_stack = nullptr;  // of AddressSanitizer
  };

  Fibers() = default;
  ~Fibers() {
    for (Fiber* fiber : all_) {
      munmap(fiber->stack, kStack);
      delete fiber;
    }
  }

  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "shim: %s\n", what);
    std::abort();
  }

  void add() {
    auto* fiber = new Fiber;
    fiber->stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fiber->stack == MAP_FAILED) fail("no memory for the threads of a block");
    all_.push_back(fiber);
  }

  // Runs the threads of a warp up to the next barrier of the block. Returns how many of them ended.
  int run_warp(int first, int last, bool backwards) {
    for (;;) {
      int at[3] = {};
      for (int i = first; i < last; ++i) {
        const int thread = backwards ? last - 1 - (i - first) : i;
        enter(thread);
        ++at[static_cast<int>(all_[thread]->pause)];
      }
      for (const int count : at) {
        if (count != 0 && count != last - first) fail("the threads of a warp wait at different barriers");
      }
      if (at[static_cast<int>(Pause::kWarp)] == 0) return at[static_cast<int>(Pause::kEnd)];
    }
  }

  void enter(int thread) {
    Fiber& fiber = *all_[thread];
    current_ = thread;
    enter_(thread);
#if defined(MAPT_SHIM_ASAN)
    void* own = nullptr;
    __sanitizer_start_switch_fiber(&own, fiber.stack, kStack);
#endif
    if (_setjmp(scheduler_) == 0) {
      if (fiber.started) mapt_shim_longjmp(fiber.state, 1);
      fiber.started = true;
      getcontext(&fiber.first);
      fiber.first.uc_stack.ss_sp = fiber.stack;
      fiber.first.uc_stack.ss_size = kStack;
      fiber.first.uc_link = nullptr;
      makecontext(&fiber.first, &Fibers::start, 0);
      setcontext(&fiber.first);
    }
#if defined(MAPT_SHIM_ASAN)
    __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
#endif
  }

  // Goes back to `enter`, and returns when the thread is entered again.
  void leave(Fiber& fiber) {
#if defined(MAPT_SHIM_ASAN)
    __sanitizer_start_switch_fiber(&fiber.fake_stack, scheduler_stack_, scheduler_size_);
#endif
    if (_setjmp(fiber.state) == 0) mapt_shim_longjmp(scheduler_, 1);
#if defined(MAPT_SHIM_ASAN)
    __sanitizer_finish_switch_fiber(fiber.fake_stack, &scheduler_stack_, &scheduler_size_);
#endif
  }

  // A fibre runs one thread after the other, of all blocks.
  static void start() {
    Fibers& fibers = get();
    const int own = fibers.current_;
#if defined(MAPT_SHIM_ASAN)
    __sanitizer_finish_switch_fiber(nullptr, &fibers.scheduler_stack_, &fibers.scheduler_size_);
#endif
    for (;;) {
      fibers.body_(fibers.context_);
      Fiber& fiber = *fibers.all_[own];
      fiber.pause = Pause::kEnd;
      fibers.leave(fiber);
    }
  }

  std::vector<Fiber*> all_;
  jmp_buf scheduler_;
  Body body_ = nullptr;
  Enter enter_ = nullptr;
  void* context_ = nullptr;
  int current_ = 0;
#if defined(MAPT_SHIM_ASAN)
  const void* scheduler_stack_ = nullptr;
  size_t scheduler_size_ = 0;
#endif
};

}  // namespace shim
