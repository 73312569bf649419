// Threads that help the caller of a kernel, for frameworks whose own threads wait for each other.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "common/parallel.h"

namespace mapt {

// A caller begins to work at once, and waits only for helpers that have begun too. On a busy machine, a helper that
// gets no core in time is not missed, because tasks are taken from a counter in small pieces. A helper without work
// looks for some for kSpin, in case a kernel has several steps, and then sleeps.
//
// Several callers may share a pool. Helpers take the oldest job that wants one more.
class ThreadPool {
 public:
  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  ~ThreadPool() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& helper : helpers_) helper.join();
  }

  // Runs body for ranges that cover [0, tasks) once, on the caller and at most `threads` - 1 helpers. An exception of
  // the body ends the job early, and is thrown to the caller.
  void run(int64_t threads, int64_t tasks, Parallel::Body body, void* context) {
    if (tasks <= 0) return;
    if (threads > tasks) threads = tasks;
    if (threads <= 1) return body(context, 0, tasks);
    Job job(body, context, tasks, threads);
    post(job);
    job.work();
    finish(job);
    if (job.error) std::rethrow_exception(job.error);
  }

 private:
  static constexpr std::chrono::microseconds kSpin{30};
  static constexpr int64_t kPieces = 8;  // into which each thread's share of what is left is cut

  struct Job {
    Job(Parallel::Body body, void* context, int64_t tasks, int64_t threads)
        : body(body), context(context), tasks(tasks), cut(kPieces * threads), wanted(threads - 1) {}

    void work() {
      try {
        for (Piece piece = take(); piece.begin < piece.end; piece = take()) body(context, piece.begin, piece.end);
      } catch (...) {
        next = tasks;
        if (!failed.exchange(true)) error = std::current_exception();
      }
    }

    struct Piece {
      int64_t begin, end;
    };

    // The next piece, empty where nothing is left. Pieces shrink towards the end, so that all threads end at about the
    // same time (guided self-scheduling: Polychronopoulos and Kuck, 1987).
    Piece take() {
      int64_t begin = next.load(std::memory_order_relaxed);
      while (begin < tasks) {
        const int64_t piece = (tasks - begin + cut - 1) / cut;
        if (next.compare_exchange_weak(begin, begin + piece, std::memory_order_relaxed)) return {begin, begin + piece};
      }
      return {tasks, tasks};
    }

    const Parallel::Body body;
    void* const context;
    const int64_t tasks;
    const int64_t cut;
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
    std::exception_ptr error;
    int64_t wanted;                  // helpers that may still begin; guarded by the pool's mutex
    std::atomic<int64_t> inside{0};  // helpers at work; changed with the pool's mutex
  };

  template <class F>
  static void spin_until(const F& done) {
    const auto end = std::chrono::steady_clock::now() + kSpin;
    while (!done() && std::chrono::steady_clock::now() < end) pause();
  }

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb");  // `yield` does not slow the loop down
#endif
  }

  void post(Job& job) {
    int64_t sleepers;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      while (static_cast<int64_t>(helpers_.size()) < job.wanted) helpers_.emplace_back([this] { help(); });
      jobs_.push_back(&job);
      posted_.fetch_add(1, std::memory_order_release);
      sleepers = asleep_ < job.wanted ? asleep_ : job.wanted;
    }
    for (int64_t i = 0; i < sleepers; ++i) wake_.notify_one();
  }

  // Lets no other helper begin, and waits for those that have begun.
  void finish(Job& job) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (size_t i = 0; i < jobs_.size(); ++i) {
        if (jobs_[i] == &job) jobs_.erase(jobs_.begin() + static_cast<int64_t>(i));
      }
    }
    const auto all_left = [&job] { return job.inside.load(std::memory_order_acquire) == 0; };
    spin_until(all_left);
    std::unique_lock<std::mutex> lock(mutex_);
    left_.wait(lock, all_left);
  }

  Job* next_job() {
    for (Job* job : jobs_) {
      if (job->wanted > 0 && job->next.load(std::memory_order_relaxed) < job->tasks) return job;
    }
    return nullptr;
  }

  void help() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!stopping_) {
      Job* const job = next_job();
      if (job == nullptr) {
        const int64_t seen = posted_.load(std::memory_order_relaxed);
        lock.unlock();
        spin_until([this, seen] { return posted_.load(std::memory_order_acquire) != seen; });
        lock.lock();
        if (posted_.load(std::memory_order_relaxed) != seen) continue;
        ++asleep_;
        wake_.wait(lock, [this, seen] { return stopping_ || posted_.load(std::memory_order_relaxed) != seen; });
        --asleep_;
        continue;
      }
      --job->wanted;
      ++job->inside;
      lock.unlock();
      job->work();
      lock.lock();
      // The caller may go on, and its job end, as soon as no helper is inside.
      if (job->inside.fetch_sub(1, std::memory_order_release) == 1) left_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, left_;
  std::vector<std::thread> helpers_;  // guarded by mutex_, as what follows
  std::vector<Job*> jobs_;            // the oldest comes first
  std::atomic<int64_t> posted_{0};    // how many jobs there were
  int64_t asleep_ = 0;
  bool stopping_ = false;
};

}  // namespace mapt
