#include "runtime/core/health.h"

#include <cmath>
#include <limits>

namespace mapt {
namespace {

double ms_between(int64_t before, int64_t now) { return static_cast<double>(now - before) / 1e6; }

// The names of the bits that are set, as Python joins them.
void join(uint32_t bits, const char* const* names, int count, char* out, size_t room) {
  size_t used = 0;
  out[0] = '\0';
  for (int i = 0; i < count && used < room; ++i) {
    if (bits & 1u << i) used += std::snprintf(out + used, room - used, "%s%s", used ? ", " : "", names[i]);
  }
}

}  // namespace

void HealthRecord::begin() {
  const std::lock_guard<std::mutex> held(lock_);
  running_ = true;
  since_ = now_();
  deadline_ms_ = kNone;
}

void HealthRecord::expect(double deadline_ms) {
  const std::lock_guard<std::mutex> held(lock_);
  deadline_ms_ = deadline_ms;
}

void HealthRecord::labelled(const Frame& frame) {
  const std::lock_guard<std::mutex> held(lock_);
  const int64_t now = now_();
  judge(frame, ms_between(since_, now));
  last_.alarms = frame.alarms;
  last_.degraded = frame.degraded;
  last_.frames += 1;
  last_.labelled = true;
  last_.stamp_ns = frame.stamp_ns;
  last_.timings = frame.timings;
  labelled_at_ = ended_at_ = now;
  ended_ = true;
  running_ = false;
}

void HealthRecord::judge(const Frame& frame, double took_ms) {
  char names[Status::kRoom / 2];
  char* reason = last_.reason;
  reason[0] = '\0';
  if (frame.alarms & bit(Alarm::kBlind)) {
    last_.status = HealthStatus::kInvalid;
    std::snprintf(reason, Status::kRoom, "the image is of one colour; identities were left as they are");
  } else if (frame.alarms & bit(Alarm::kFrozen)) {
    last_.status = HealthStatus::kInvalid;
    std::snprintf(reason, Status::kRoom, "the image is the one before; check the camera");
  } else if (took_ms > deadline_ms_) {
    last_.status = HealthStatus::kLate;
    std::snprintf(reason, Status::kRoom, "the last frame took %.0f ms of %g", took_ms, deadline_ms_);
  } else if (frame.degraded) {
    last_.status = HealthStatus::kDegraded;
    join(frame.degraded, kHeadNames, static_cast<int>(Head::kCount), names, sizeof names);
    std::snprintf(reason, Status::kRoom, "left out for the deadline: %s", names);
  } else if (frame.alarms) {
    last_.status = HealthStatus::kDegraded;
    join(frame.alarms, kAlarmNames, static_cast<int>(Alarm::kCount), names, sizeof names);
    std::snprintf(reason, Status::kRoom, "the output is suspicious: %s", names);
  } else {
    last_.status = HealthStatus::kOk;
  }
}

void HealthRecord::refused(const Status& status) {
  const std::lock_guard<std::mutex> held(lock_);
  last_.refused += 1;
  end(HealthStatus::kNoInput, status.text);
}

void HealthRecord::failed(const Status& status) {
  const std::lock_guard<std::mutex> held(lock_);
  last_.failed += 1;
  end(status.code == Code::kOutput ? HealthStatus::kInvalid : HealthStatus::kFault, status.text);
}

void HealthRecord::end(HealthStatus status, const char* reason) {
  last_.status = status;
  std::snprintf(last_.reason, Status::kRoom, "%s", reason);
  ended_ = true;
  ended_at_ = now_();
  running_ = false;
}

Health HealthRecord::read() const {
  const std::lock_guard<std::mutex> held(lock_);
  Health health = last_;
  const int64_t now = now_();
  const double busy = running_ ? ms_between(since_, now) : 0;
  health.busy_ms = busy;
  health.age_ms = last_.labelled ? ms_between(labelled_at_, now) : std::numeric_limits<double>::infinity();
  const double silent = ended_ ? static_cast<double>(now - ended_at_) / 1e9 : 0;
  if (ended_ && silent > silence_s_) {
    health.status = HealthStatus::kNoInput;
    const bool told = last_.reason[0];
    std::snprintf(health.reason, Status::kRoom, "no frame for %.1f s%s%.400s", silent, told ? "; before that " : "",
                  last_.reason);
  }
  if (running_ && busy > deadline_ms_) {
    char reason[96];
    std::snprintf(reason, sizeof reason, "the running step has taken %.0f ms of %g", busy, deadline_ms_);
    if (health.status <= HealthStatus::kLate) {
      health.status = HealthStatus::kLate;
      std::snprintf(health.reason, Status::kRoom, "%s", reason);
    } else {
      char before[Status::kRoom];
      std::snprintf(before, sizeof before, "%s", health.reason);
      std::snprintf(health.reason, Status::kRoom, "%.400s; %s", before, reason);
    }
  }
  return health;
}

}  // namespace mapt
