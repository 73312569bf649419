#include "runtime/core/tracker.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "runtime/core/output_checks.h"
#include "runtime/core/turn.h"

namespace mapt {
namespace {

int32_t limited(int32_t wanted, int32_t slots) { return wanted < 1 ? slots : std::min(wanted, slots); }

int32_t capacity_of(const ModelInfo& info, int32_t max_objects) {
  return static_cast<int32_t>(info.thresholds.tracks_per_object) * limited(max_objects, info.slots());
}

}  // namespace

int64_t steady_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Tracker::Tracker(Network* network, const TrackerOptions& options)
    : recorder_(network),
      network_(&recorder_),
      info_(network->info()),
      owner_{info_, options.model, options.association, capacity_of(info_, options.max_objects)},
      asked_objects_(options.max_objects),
      max_objects_(limited(options.max_objects, info_.slots())),
      now_(options.now),
      record_(info_.thresholds.max_gap, options.now),
      estimates_(info_.thresholds.deadline_reserve),
      fusion_(info_),
      cues_(info_, options.association),
      table_(info_, options.association, owner_.capacity),
      stuff_(info_),
      renderer_(info_) {
  order_.reserve(info_.slots());
  states_.reserve(kFeatureSlots);  // a copy of a state would lose the room that it keeps
  while (states_.size() < kFeatureSlots) states_.emplace_back(info_, owner_.capacity);
}

Status Tracker::step(const Image& image, int64_t stamp_ns, double deadline_ms, Frame* frame) noexcept {
  const Turn turn(&turn_);
  if (!turn.mine()) return busy();
  record_.begin();
  recordable_ = false;
  Status status = check_image(image);
  if (status.ok()) status = check_stamp(stamp_ns, accepted_, info_.thresholds.max_jump);
  if (status.ok()) status = check_deadline(deadline_ms);
  if (!status.ok()) {
    record_.refused(status);
    return status;
  }
  record_.expect(deadline_ms);
  Stopwatch watch(now_, deadline_ms);
  try {
    status = next(image, stamp_ns, &watch, frame);
  } catch (const std::exception& error) {  // the frame finds no memory
    status = Status::of(Code::kStep, "the frame cannot be labelled (%s); frame dropped", error.what());
  }
  if (status.ok()) {
    record_.labelled(*frame);
    recordable_ = true;
    recordable_ns_ = stamp_ns;
  } else {
    record_.failed(status);
  }
  return status;
}

// Computes the next frame and the state after it. Nothing else changes except the running estimates.
Status Tracker::next(const Image& image, int64_t stamp_ns, Stopwatch* watch, Frame* frame) {
  Stopwatch::Block whole(watch, Timed::kFrame);
  const int slot = free_slot();
  const TrackerState& before = states_[accepted_slot_];
  TrackerState& after = states_[slot];
  Pass pass;
  pass.stamp_ns = stamp_ns;
  Status status = perceive(image, slot, watch, &pass);
  if (!status.ok()) return status;
  Stopwatch::Block fusion(watch, Timed::kFusion);
  choose_detections(&pass);
  fusion_.run(pass.found, pass.letterbox, &after.masks);
  fusion.end();
  follow(before, &pass, &after);
  CueRequest request;
  request.before = pass.follows ? &before : nullptr;
  request.before_slot = accepted_slot_;
  request.now_slot = slot;
  request.instances = &fusion_.instances();
  status = cues_.run(network_, request, estimates_, watch);
  if (!status.ok()) return status;
  Stopwatch::Block association(watch, Timed::kAssociation);
  status = associate(before, pass, &after, frame);
  association.end();
  if (!status.ok()) return status;
  bool one_class = false;
  Stopwatch::Block output(watch, Timed::kOutput);
  status = render(pass, after, frame, &one_class);
  output.end();
  if (!status.ok()) return status;
  judge(before, pass, one_class, &after, frame);
  whole.end();
  frame->timings = watch->timings();
  estimates_.learn_from(frame->timings, cues_.calls(), cues_.degraded());
  accepted_ = {true, stamp_ns};
  if (!pass.look.blind) commit(slot);
  return {};
}

Status Tracker::perceive(const Image& image, int slot, Stopwatch* watch, Pass* pass) {
  Stopwatch::Block preprocess(watch, Timed::kPreprocess);
  pass->letterbox = fit(image.height, image.width, info_.height(), info_.width());
  const uint8_t* pixels = nullptr;
  Status status = network_->prepare(image, pass->letterbox, &pixels);
  if (!status.ok()) return status;
  pass->look = look_at(pixels, pass->letterbox, info_);
  preprocess.end();
  Stopwatch::Block backbone(watch, Timed::kBackbone);
  status = network_->backbone();
  backbone.end();
  if (!status.ok()) return status;
  Stopwatch::Block semantic(watch, Timed::kSemantic);
  status = network_->semantic(slot, &pass->seen);
  semantic.end();
  if (!status.ok()) return status;
  // What a device takes for all three is told as the instance head's, behind which the host first waits.
  Stopwatch::Block instance(watch, Timed::kInstance);
  status = network_->instance(&pass->seen);
  if (status.ok()) status = network_->wait(&pass->seen);
  if (status.ok()) status = check_instance(pass->seen, info_);
  instance.end();
  if (!status.ok()) return status;
  const Stopwatch::Block looked(watch, Timed::kSemantic);
  return check_semantic(pass->seen, info_);
}

// The detections that may become instances; of an image that shows nothing, none.
void Tracker::choose_detections(Pass* pass) {
  sort_rows(pass->seen, &order_);
  pass->found = {&pass->seen, order_.data(), pass->seen.count};
  pass->overflow = count_worthy(pass->found, max_objects_, info_.thresholds);
  // Where every slot is filled, there may have been more.
  if (pass->seen.count == info_.slots()) {
    pass->overflow += pass->found.score(pass->seen.count - 1) >= static_cast<float>(info_.thresholds.score);
  }
  pass->found.count = pass->look.blind ? 0 : std::min(pass->found.count, max_objects_);
}

// Fills the state after a frame, its tracks apart, and tells whether masks can be propagated into the frame.
//
// While a camera repeats its last picture the world moves on, so what counts then is when that picture was new.
void Tracker::follow(const TrackerState& before, Pass* pass, TrackerState* after) const {
  const Letterbox& size = pass->letterbox;
  const bool same_size = size.height == before.height && size.width == before.width;
  pass->frozen = before.known && same_size && pass->look.pixels == before.pixels;
  after->known = true;
  after->stamp_ns = pass->stamp_ns;
  after->fresh_ns = pass->frozen ? before.fresh_ns : pass->stamp_ns;
  after->pixels = pass->look.pixels;
  after->height = size.height;
  after->width = size.width;
  const int64_t since = pass->frozen ? before.stamp_ns : before.fresh_ns;
  pass->follows = !pass->look.blind && before.known && same_size &&
                  seconds_between(since, pass->stamp_ns) <= info_.thresholds.max_gap;
}

Status Tracker::associate(const TrackerState& before, const Pass& pass, TrackerState* after, Frame* frame) {
  frame->decisions.clear();
  // A track gives at most one decision, and a birth two. With this room, later frames allocate nothing.
  frame->decisions.reserve(static_cast<size_t>(owner_.capacity) + 2 * info_.slots());
  frame->tracks.reserve(static_cast<size_t>(owner_.capacity));
  const Sighting sighting = {fusion_.instances(), after->masks, cues_.embeddings(), cues_.masks(), pass.stamp_ns};
  const Status status = table_.update(before, sighting, after, &frame->decisions);
  if (!status.ok()) return status;
  const auto& ids = table_.ids();
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!ids[i]) fusion_.hide(static_cast<int32_t>(i));
  }
  return {};
}

Status Tracker::render(const Pass& pass, const TrackerState& after, Frame* frame, bool* one_class) {
  const uint8_t* labels = nullptr;
  const Status status = stuff_.run(pass.seen.labels, fusion_.index(), pass.letterbox, network_, &labels);
  if (!status.ok()) return status;
  const int64_t pixels = int64_t{pass.letterbox.height} * pass.letterbox.width;
  frame->height = pass.letterbox.height;
  frame->width = pass.letterbox.width;
  frame->semantic.resize(pixels);
  frame->instance.resize(pixels);
  *one_class = renderer_.run(labels, fusion_, table_.ids(), pass.letterbox, frame);
  list_tracks(after, pass.letterbox, &frame->tracks);
  frame->stamp_ns = pass.stamp_ns;
  frame->overflow = pass.overflow;
  frame->degraded = cues_.degraded();
  return {};
}

// Counts births, and sets the frame's alarms.
void Tracker::judge(const TrackerState& before, const Pass& pass, bool one_class, TrackerState* after,
                    Frame* frame) const {
  if (pass.look.blind) {
    frame->decisions.clear();
    frame->alarms = bit(Alarm::kBlind);
    return;
  }
  after->recent = before.recent;
  if (pass.follows) {
    Recent recent;
    for (const Decision& decision : frame->decisions) recent.births += decision.stage == Stage::kBirth;
    const auto& ids = table_.ids();
    recent.visible = static_cast<int32_t>(ids.size() - std::count(ids.begin(), ids.end(), 0));
    if (static_cast<int64_t>(after->recent.size()) == info_.thresholds.churn_window) {
      after->recent.erase(after->recent.begin());
    }
    after->recent.push_back(recent);
  }
  frame->alarms = alarms({pass.frozen, pass.overflow, one_class}, after->recent.data(),
                         static_cast<int>(after->recent.size()), info_.thresholds);
}

}  // namespace mapt
