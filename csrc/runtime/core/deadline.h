// Chooses the heads that fit before the deadline, from their recent cost; `runtime/monitoring/deadline.py`.
#pragma once

#include "runtime/core/frame.h"

namespace mapt {

constexpr int kHeads = static_cast<int>(Head::kCount);

// How often each head runs in a frame.
struct Calls {
  int32_t of[kHeads] = {};

  int32_t& operator[](Head head) { return of[static_cast<int>(head)]; }
  int32_t operator[](Head head) const { return of[static_cast<int>(head)]; }
};

class Estimates {
 public:
  explicit Estimates(double reserve) : reserve_(reserve) {}

  // The heads to leave out, a bit each. `left_ms` is the time until the deadline, kNone where there is none.
  uint32_t left_out(const Calls& calls, double left_ms) const;

  // Learns from the stages of a step, in which the heads in `degraded` were left out.
  void learn_from(const Timings& timings, const Calls& calls, uint32_t degraded);

 private:
  // Running milliseconds of a call, kNone before the first.
  struct Estimate {
    double ms = kNone;
    bool lowered = false;  // since the last measurement

    double known() const { return ms == ms ? ms : 0; }
    void learn(double measured);
    void forget();
  };

  double reserve_;
  Estimate heads_[kHeads];
  Estimate rest_;
};

}  // namespace mapt
