#include "runtime/backends/shared_sessions.h"

#include <pthread.h>

#include <map>
#include <mutex>

namespace mapt {

namespace {

struct Registry {
  std::mutex lock;
  std::map<std::string, std::weak_ptr<OrtSession>> open;
};

// Never freed: a thread of the host may close its tracker while the process ends.
Registry* registry = nullptr;

// A thread that the child does not have may have held the lock.
void forget() { registry = new Registry; }

Registry& sessions_of_this_process() {
  static const bool started = [] {
    forget();
    return pthread_atfork(nullptr, nullptr, forget) == 0;
  }();
  static_cast<void>(started);
  return *registry;
}

}  // namespace

SharedSession shared_session(const std::string& key, const std::function<SharedSession()>& open) {
  Registry& sessions = sessions_of_this_process();
  const std::lock_guard<std::mutex> held(sessions.lock);
  for (auto at = sessions.open.begin(); at != sessions.open.end();)
    at = at->second.expired() ? sessions.open.erase(at) : std::next(at);
  const auto known = sessions.open.find(key);
  if (known != sessions.open.end())
    if (SharedSession found = known->second.lock()) return found;
  SharedSession opened = open();
  sessions.open[key] = opened;
  return opened;
}

}  // namespace mapt
