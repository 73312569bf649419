#include "runtime/backends/cores.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <fstream>
#include <limits>
#include <mutex>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace mapt {

namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();
constexpr char kRoot[] = "/sys/fs/cgroup";

// The quota of one control group in cores.
double quota(const std::string& group) {
  std::ifstream unified(group + "/cpu.max");
  std::string limit;
  double period = 0;
  if (unified >> limit >> period) return limit == "max" || period <= 0 ? kNone : std::stod(limit) / period;
  std::ifstream quota_us(group + "/cpu.cfs_quota_us"), period_us(group + "/cpu.cfs_period_us");
  double first = 0;
  if (quota_us >> first && period_us >> period && first > 0 && period > 0) return first / period;
  return kNone;
}

bool names_cpu(const std::string& controllers) {
  std::stringstream parts(controllers);
  for (std::string part; std::getline(parts, part, ',');)
    if (part == "cpu") return true;
  return false;
}

// The smallest quota from the process' own groups up to the root.
double smallest_quota() {
  double smallest = kNone;
  std::ifstream own("/proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && !names_cpu(controllers)) continue;
    const std::string base = std::string(kRoot) + (controllers.empty() ? "" : "/cpu");
    std::string group = line.substr(second + 1);
    for (;;) {
      smallest = std::min(smallest, quota(base + group));
      const std::size_t slash = group.rfind('/');
      if (slash == std::string::npos || group.size() <= 1) break;
      group.resize(slash);
    }
  }
  return smallest;
}

}  // namespace

int usable_cores() {
  cpu_set_t allowed;
  int count = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = CPU_COUNT(&allowed);
  double limit = kNone;
  try {
    limit = smallest_quota();
  } catch (const std::exception&) {  // a file that says no number
  }
  return std::max(1, static_cast<int>(std::min<double>(count, std::ceil(limit))));
}

bool can_start_threads(int count) {
  std::mutex lock;
  std::condition_variable ended;
  bool go = false;
  std::vector<std::thread> started;
  bool good = true;
  try {
    for (int i = 0; i < count; ++i)
      started.emplace_back([&] {
        std::unique_lock<std::mutex> held(lock);
        ended.wait(held, [&] { return go; });
      });
  } catch (const std::system_error&) {
    good = false;
  }
  {
    const std::lock_guard<std::mutex> held(lock);
    go = true;
  }
  ended.notify_all();
  for (std::thread& thread : started) thread.join();
  return good;
}

}  // namespace mapt
