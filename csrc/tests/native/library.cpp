// A C interface to a scripted tracker, which tests load with ctypes.
#include <cstring>
#include <ctime>
#include <memory>

#include "runtime/core/tracker.h"
#include "tests/native/scripted.h"

namespace {

struct Scripted {
  Scripted(const mapt::ModelInfo& info, const mapt::TrackerOptions& options)
      : network(info), tracker(&network, options) {}

  scripted::Network network;
  mapt::Tracker tracker;
  mapt::Frame frame;
  mapt::Status status;
  std::vector<uint8_t> saved;
  mapt::Health health;
};

mapt::ModelInfo info_of(const int32_t* sizes, const int32_t* things, int32_t thing_count, const double* thresholds) {
  mapt::ModelInfo info;
  info.preset = "nano";
  for (const mapt::SizeSymbol& symbol : mapt::kSymbols) info.sizes.*symbol.size = *sizes++;
  info.things.assign(things, things + thing_count);
  for (int32_t i = 0; i < info.sizes.K; ++i) info.classes.push_back("c" + std::to_string(i));
  for (const mapt::ThresholdRange& range : mapt::kRanges) {
    if (range.whole) {
      info.thresholds.*range.whole = static_cast<int64_t>(*thresholds++);
    } else {
      info.thresholds.*range.number = *thresholds++;
    }
  }
  return info;
}

// What this thread has computed, whatever else the machine does.
int64_t thread_time() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * int64_t{1000000000} + time.tv_nsec;
}

}  // namespace

#define MAPT_TEST extern "C" __attribute__((visibility("default")))

MAPT_TEST Scripted* scripted_new(const int32_t* sizes, const int32_t* things, int32_t thing_count,
                                 const double* thresholds, int32_t association, int32_t max_objects, const char* model,
                                 int32_t timed) {
  mapt::TrackerOptions options;
  options.association = static_cast<mapt::Association>(association);
  options.max_objects = max_objects;
  options.model = model;
  options.now = timed ? thread_time : scripted::now;
  return new Scripted(info_of(sizes, things, thing_count, thresholds), options);
}

MAPT_TEST void scripted_delete(Scripted* self) { delete self; }

MAPT_TEST int32_t scripted_step(Scripted* self, const scripted::Script* script, int32_t height, int32_t width,
                                int64_t stamp_ns, double deadline_ms) {
  self->network.script = *script;
  self->network.inputs.clear();
  const mapt::Image image = {script->pixels, height, width, int64_t{width} * 3};
  self->status = self->tracker.step(image, stamp_ns, deadline_ms, &self->frame);
  return static_cast<int32_t>(self->status.code);
}

MAPT_TEST const char* scripted_message(const Scripted* self) { return self->status.text; }
MAPT_TEST const uint8_t* scripted_semantic(const Scripted* self) { return self->frame.semantic.data(); }
MAPT_TEST const int32_t* scripted_instance(const Scripted* self) { return self->frame.instance.data(); }

MAPT_TEST const mapt::FrameTrack* scripted_tracks(const Scripted* self, int64_t* count) {
  *count = static_cast<int64_t>(self->frame.tracks.size());
  return self->frame.tracks.data();
}

MAPT_TEST const mapt::Decision* scripted_decisions(const Scripted* self, int64_t* count) {
  *count = static_cast<int64_t>(self->frame.decisions.size());
  return self->frame.decisions.data();
}

MAPT_TEST const uint32_t* scripted_inputs(const Scripted* self, int64_t* count) {
  *count = static_cast<int64_t>(self->network.inputs.size());
  return self->network.inputs.data();
}

MAPT_TEST const double* scripted_timings(const Scripted* self) { return self->frame.timings.ms; }

// Overflow, degraded, alarms and the next id.
MAPT_TEST void scripted_numbers(const Scripted* self, int64_t* numbers) {
  numbers[0] = self->frame.overflow;
  numbers[1] = self->frame.degraded;
  numbers[2] = self->frame.alarms;
  numbers[3] = self->tracker.next_id();
}

MAPT_TEST int32_t scripted_reset(Scripted* self) { return static_cast<int32_t>(self->tracker.reset().code); }

MAPT_TEST const uint8_t* scripted_save(Scripted* self, int64_t* size) {
  self->status = self->tracker.save(&self->saved);
  *size = static_cast<int64_t>(self->saved.size());
  return self->saved.data();
}

// The first bytes of a record; null where there are none.
MAPT_TEST const uint8_t* scripted_record_begin(Scripted* self, int64_t* size) {
  self->status = self->tracker.record_begin(&self->saved);
  *size = static_cast<int64_t>(self->saved.size());
  return self->status.ok() ? self->saved.data() : nullptr;
}

// The last frame's bytes of a record, likewise.
MAPT_TEST const uint8_t* scripted_record_frame(Scripted* self, const char* sequence, const char* name, int64_t* size) {
  self->status = self->tracker.record_frame(self->frame, {sequence, name}, &self->saved);
  *size = static_cast<int64_t>(self->saved.size());
  return self->status.ok() ? self->saved.data() : nullptr;
}

MAPT_TEST int32_t scripted_restore(Scripted* self, const uint8_t* bytes, int64_t size) {
  self->status = self->tracker.restore(bytes, static_cast<size_t>(size));
  return static_cast<int32_t>(self->status.code);
}

// Status, alarms, degraded, frames, refused and failed; age and busy in milliseconds.
MAPT_TEST const char* scripted_health(Scripted* self, int64_t* numbers, double* ms) {
  self->health = self->tracker.health();
  const mapt::Health& health = self->health;
  const int64_t told[] = {static_cast<int64_t>(health.status),
                          health.alarms,
                          health.degraded,
                          health.frames,
                          health.refused,
                          health.failed};
  std::memcpy(numbers, told, sizeof told);
  ms[0] = health.age_ms;
  ms[1] = health.busy_ms;
  return health.reason;
}

MAPT_TEST void scripted_pass(int64_t ns) { scripted::pass(ns); }
MAPT_TEST int64_t scripted_now() { return scripted::now(); }
