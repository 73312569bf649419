// mapt_host BUNDLE FRAMES_FOLDER OUT [--fps N] [--trust KEY] [--state FILE] [--threads N]: tracks a folder of frames
// without Python, and writes OUT/step/<folder's name>/*.png as `mapt track` does.
//
// A second thread prints the tracker's health. With --state, tracks go on where an earlier run stopped, whose file is
// then replaced; the stamps go on, too.
#include <mapt.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "arguments.h"
#include "pictures.h"
#include "state_file.h"

namespace {

using Tracker = std::unique_ptr<mapt_tracker, decltype(&mapt_close)>;
using Frame = std::unique_ptr<mapt_frame, decltype(&mapt_frame_free)>;

void require(mapt_code code, const mapt_error& error) {
  if (code != MAPT_OK) throw std::runtime_error(error.text);
}

Tracker open(const Arguments& arguments, const pictures::Picture& first) {
  mapt_options options;
  mapt_default_options(&options, sizeof options);
  options.bundle = arguments.bundle.c_str();
  options.trust = arguments.trusted ? arguments.trust.c_str() : nullptr;
  options.threads = arguments.threads;
  options.frame_height = first.height;  // of several input sizes the best one for the frames is taken
  options.frame_width = first.width;
  options.say = [](void*, const char* line) { std::fprintf(stderr, "mapt_host: %s\n", line); };
  mapt_tracker* tracker = nullptr;
  mapt_error error;
  require(mapt_open(&options, &tracker, &error), error);
  return {tracker, mapt_close};
}

void watch(const mapt_tracker* tracker, const std::atomic<bool>& stop, std::atomic<int>& asked) {
  for (std::int64_t printed = 0; !stop; ++asked) {
    mapt_health health;
    health.size = sizeof health;
    mapt_read_health(tracker, &health);
    if (health.frames > printed + 9) {
      std::fprintf(stderr, "health: %s after %lld frames, %.1f ms\n", mapt_health_name(health.status),
                   static_cast<long long>(health.frames), health.ms[MAPT_MS_FRAME]);
      printed = health.frames;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void print(const std::string& stem, const mapt_labels& labels) {
  std::printf("frame %s: %d tracks\n", stem.c_str(), labels.track_count);
  for (int i = 0; i < labels.track_count; ++i) {
    const mapt_track& t = labels.tracks[i];
    std::printf("  %d %d %.9g %.9g %.9g %.9g %.9g %lld %lld\n", t.id, t.label, t.score, t.box[0], t.box[1], t.box[2],
                t.box[3], static_cast<long long>(t.age), static_cast<long long>(t.lost));
  }
}

// Tracks all frames; gives the time of the last one.
std::int64_t track(mapt_tracker* tracker, const std::vector<pictures::FrameFile>& frames, std::int64_t after,
                   const std::string& folder) {
  const Frame frame(mapt_frame_new(), mapt_frame_free);
  const std::int64_t start = after < 0 ? 0 : after + (frames.size() > 1 ? frames[1].stamp_ns : 100'000'000);
  std::int64_t stamp_ns = after;
  for (const pictures::FrameFile& file : frames) {
    const pictures::Picture picture = pictures::read(file.path);
    const mapt_image image{picture.rgb.data(), picture.height, picture.width, 0};
    mapt_error error;
    stamp_ns = start + file.stamp_ns;
    require(mapt_step(tracker, &image, stamp_ns, nullptr, frame.get(), &error), error);
    const mapt_labels& labels = *mapt_frame_read(frame.get());
    pictures::write_step(folder + "/" + file.stem + ".png", labels.semantic, labels.instance, labels.height,
                         labels.width);
    print(file.stem, labels);
  }
  return stamp_ns;
}

void run(const Arguments& arguments) {
  const auto frames = pictures::list_frames(arguments.frames, arguments.fps);
  const std::string folder = pictures::make_folder(arguments.out, arguments.frames);
  const Tracker tracker = open(arguments, pictures::read(frames.front().path));
  const std::int64_t after = state_file::restore(tracker.get(), arguments.state);
  std::atomic<bool> stop{false};
  std::atomic<int> asked{0};
  std::thread watcher(watch, tracker.get(), std::cref(stop), std::ref(asked));
  std::exception_ptr failure;
  try {
    state_file::save(tracker.get(), arguments.state, track(tracker.get(), frames, after, folder));
  } catch (...) {
    failure = std::current_exception();
  }
  stop = true;
  watcher.join();
  if (failure) std::rethrow_exception(failure);
  std::printf("health was asked for %s\n", asked > 0 ? "meanwhile" : "never");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse(argc, argv));
  } catch (const std::invalid_argument&) {
    std::fprintf(stderr, "usage: %s %s\n", argv[0], kUsage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mapt_host: %s\n", error.what());
    return 2;
  }
  return 0;
}
