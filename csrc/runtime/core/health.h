// The tracker's health, which any thread reads at any time; `runtime/monitoring/health.py`.
#pragma once

#include <mutex>

#include "runtime/core/frame.h"
#include "runtime/core/status.h"

namespace mapt {

// A time in nanoseconds that never goes back.
using Now = int64_t (*)();

struct Health {
  HealthStatus status = HealthStatus::kNoInput;  // the worst that holds now
  char reason[Status::kRoom] = "no frame yet";   // one line; empty where the status is OK
  uint32_t alarms = 0;                           // of the last labelled frame, a bit an Alarm
  uint32_t degraded = 0;                         // heads left out of it, a bit a Head
  int64_t frames = 0;                            // labelled so far
  int64_t refused = 0;                           // for their image, deadline or stamp
  int64_t failed = 0;                            // the network failed or its output was invalid
  bool labelled = false;                         // there was a frame
  int64_t stamp_ns = 0;                          // of the last labelled frame
  double age_ms = 0;                             // since the last labelled frame came out; infinite before the first
  double busy_ms = 0;                            // how long the running step has been at it, 0 between steps
  Timings timings;                               // of the last labelled frame
};

// A record that the stepping thread writes and any thread reads. The lock is held for a copy alone, never for a step.
class HealthRecord {
 public:
  HealthRecord(double silence_s, Now now) : silence_s_(silence_s), now_(now) {}

  void begin();
  void expect(double deadline_ms);  // of the running step; kNone: it has none
  void labelled(const Frame& frame);
  void refused(const Status& status);
  void failed(const Status& status);
  Health read() const;

 private:
  void judge(const Frame& frame, double took_ms);
  void end(HealthStatus status, const char* reason);

  const double silence_s_;
  const Now now_;
  mutable std::mutex lock_;
  Health last_;
  bool running_ = false;
  int64_t since_ = 0;
  double deadline_ms_ = kNone;
  int64_t labelled_at_ = 0;
  bool ended_ = false;  // a step has, however it did
  int64_t ended_at_ = 0;
};

}  // namespace mapt
