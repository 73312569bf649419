// The thread pool: jobs of several callers at once, jobs inside of jobs, exceptions, and pools that end early.
#include "cpu/thread_pool.h"

#include <atomic>
#include <new>
#include <thread>

#include "tests/stress/stress.h"

namespace {

using mapt::ThreadPool;

template <class F>
void run(ThreadPool& pool, int64_t threads, int64_t tasks, F body) {
  pool.run(threads, tasks, [](void* f, int64_t begin, int64_t end) { (*static_cast<F*>(f))(begin, end); }, &body);
}

// Every task of `tasks` runs once. The counts are not atomic, so a race shows under ThreadSanitizer too.
void check_counts(ThreadPool& pool, int64_t threads, int64_t tasks) {
  std::vector<int> counts(tasks);
  run(pool, threads, tasks, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++counts[i];
  });
  for (const int count : counts) stress::check("a task did not run once", count == 1);
}

void check_nested(ThreadPool& pool) {
  std::atomic<int64_t> total{0};
  run(pool, 3, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      run(pool, 3, 16, [&](int64_t first, int64_t last) { total += last - first; });
    }
  });
  stress::check("a job inside of a job did not run all tasks", total == 8 * 16);
}

void check_exception(ThreadPool& pool, int64_t where) {
  bool thrown = false;
  try {
    run(pool, 3, 100, [&](int64_t begin, int64_t end) {
      if (begin <= where && where < end) throw std::bad_alloc();
    });
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  stress::check("an exception did not reach the caller", thrown);
}

void thread_pool(bool) {
  for (int round = 0; round < 20; ++round) {
    ThreadPool pool;
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; ++caller) {
      callers.emplace_back([&pool, caller] {
        for (const int64_t tasks : {0, 1, 2, 3, 50, 1000}) check_counts(pool, caller + 2, tasks);
      });
    }
    for (std::thread& caller : callers) caller.join();
    check_nested(pool);
    for (const int64_t where : {0, 1, 50, 99}) check_exception(pool, where);
    check_counts(pool, 1, 10);
  }
}

const stress::Register registered(thread_pool);

}  // namespace
