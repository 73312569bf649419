// Lets one thread at a time into a tracker; `runtime/monitoring/turn.py`.
#pragma once

#include <atomic>

#include "runtime/core/status.h"

namespace mapt {

// The right to change a tracker's state.
class Turn {
 public:
  explicit Turn(std::atomic_flag* flag) : flag_(flag), mine_(!flag->test_and_set(std::memory_order_acquire)) {}
  ~Turn() {
    if (mine_) flag_->clear(std::memory_order_release);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  bool mine() const { return mine_; }

 private:
  std::atomic_flag* flag_;
  bool mine_;
};

inline Status busy() {
  return Status::of(Code::kBusy, "another thread is in this tracker; give each thread its own, or take turns");
}

}  // namespace mapt
