// Milliseconds by stage of a step; `runtime/perception/pipeline.py: Clock`.
#pragma once

#include <cmath>

#include "runtime/core/frame.h"
#include "runtime/core/health.h"

namespace mapt {

class Stopwatch {
 public:
  // `deadline_ms` from now is when all of it should be over; kNone: no limit.
  Stopwatch(Now now, double deadline_ms) : now_(now), start_(now()), deadline_ms_(deadline_ms) {}

  // The milliseconds until the deadline; kNone where there is none.
  double left_ms() const { return deadline_ms_ - static_cast<double>(now_() - start_) / 1e6; }

  const Timings& timings() const { return timings_; }

  // Times a block; repeated stages add up.
  class Block {
   public:
    Block(Stopwatch* watch, Timed stage) : watch_(watch), stage_(stage), start_(watch->now_()) {}
    ~Block() { end(); }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    void end() {
      if (!watch_) return;
      double& ms = watch_->timings_[stage_];
      ms = (std::isnan(ms) ? 0 : ms) + static_cast<double>(watch_->now_() - start_) / 1e6;
      watch_ = nullptr;
    }

   private:
    Stopwatch* watch_;
    Timed stage_;
    int64_t start_;
  };

 private:
  Now now_;
  int64_t start_;
  double deadline_ms_;
  Timings timings_;
};

}  // namespace mapt
