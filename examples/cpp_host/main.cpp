// mapt_host BUNDLE FRAMES_FOLDER OUT [--fps N] [--trust KEY] [--state FILE] [--threads N]: tracks a folder of frames
// without Python, and writes OUT/step/<folder's name>/*.png as `mapt track` does.
//
// A second thread prints the tracker's health. With --state, tracks go on where an earlier run stopped, whose file is
// then replaced; the stamps go on, too.
#include <mapt.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "pictures.h"

namespace {

struct Arguments {
  std::string bundle, frames, out, trust, state;
  double fps = 10;
  int threads = 0;
};

using Tracker = std::unique_ptr<mapt_tracker, decltype(&mapt_close)>;
using Frame = std::unique_ptr<mapt_frame, decltype(&mapt_frame_free)>;

Arguments parse(int count, char** values) {
  Arguments found;
  std::string* const places[] = {&found.bundle, &found.frames, &found.out};
  int place = 0;
  for (int i = 1; i < count; ++i) {
    const std::string word = values[i];
    const char* next = i + 1 < count ? values[i + 1] : "";
    if (word.rfind("--", 0) != 0 && place < 3)
      *places[place++] = word;
    else if (word == "--fps" && (found.fps = std::atof(next)) > 0)
      ++i;
    else if (word == "--threads" && (found.threads = std::atoi(next)) > 0)
      ++i;
    else if (word == "--trust" && i + 1 < count)
      found.trust = values[++i];
    else if (word == "--state" && *next)
      found.state = values[++i];
    else
      throw std::invalid_argument(word);
  }
  if (place < 3) throw std::invalid_argument("usage");
  return found;
}

void require(mapt_code code, const mapt_error& error) {
  if (code != MAPT_OK) throw std::runtime_error(error.text);
}

Tracker open(const Arguments& arguments, bool trusted, const pictures::Picture& first) {
  mapt_options options;
  mapt_default_options(&options, sizeof options);
  options.bundle = arguments.bundle.c_str();
  options.trust = trusted ? arguments.trust.c_str() : nullptr;
  options.threads = arguments.threads;
  options.frame_height = first.height;  // of several input sizes the best one for the frames is taken
  options.frame_width = first.width;
  options.say = [](void*, const char* line) { std::fprintf(stderr, "mapt_host: %s\n", line); };
  mapt_tracker* tracker = nullptr;
  mapt_error error;
  require(mapt_open(&options, &tracker, &error), error);
  return {tracker, mapt_close};
}

// The time of the last frame of the run that wrote the state; -1 where there was none.
std::int64_t restore(mapt_tracker* tracker, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::int64_t stamp_ns = -1;
  if (path.empty() || !file.read(reinterpret_cast<char*>(&stamp_ns), sizeof stamp_ns)) return -1;
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  mapt_error error;
  require(mapt_restore(tracker, bytes.data(), bytes.size(), &error), error);
  return stamp_ns;
}

void save(const mapt_tracker* tracker, const std::string& path, std::int64_t stamp_ns) {
  if (path.empty()) return;
  std::string bytes(mapt_state_room(tracker), '\0');
  std::size_t size = 0;
  mapt_error error;
  require(mapt_save(tracker, &bytes[0], bytes.size(), &size, &error), error);
  std::ofstream file(path + ".new", std::ios::binary);
  file.write(reinterpret_cast<const char*>(&stamp_ns), sizeof stamp_ns).write(bytes.data(), std::streamsize(size));
  file.close();
  if (!file || std::rename((path + ".new").c_str(), path.c_str()) != 0)
    throw std::runtime_error(path + ": cannot be written");
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

void run(const Arguments& arguments, bool trusted) {
  const auto frames = pictures::list_frames(arguments.frames, arguments.fps);
  const std::string folder = pictures::make_folder(arguments.out, arguments.frames);
  const Tracker tracker = open(arguments, trusted, pictures::read(frames.front().path));
  const std::int64_t after = restore(tracker.get(), arguments.state);
  std::atomic<bool> stop{false};
  std::atomic<int> asked{0};
  std::thread watcher(watch, tracker.get(), std::cref(stop), std::ref(asked));
  std::exception_ptr failure;
  try {
    save(tracker.get(), arguments.state, track(tracker.get(), frames, after, folder));
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
  bool trusted = false;  // an empty key is a mistake, never "no key"
  for (int i = 1; i < argc; ++i) trusted |= std::strcmp(argv[i], "--trust") == 0;
  try {
    run(parse(argc, argv), trusted);
  } catch (const std::invalid_argument&) {
    std::fprintf(stderr, "usage: %s BUNDLE FRAMES_FOLDER OUT [--fps N] [--trust KEY] [--state FILE] [--threads N]\n",
                 argv[0]);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mapt_host: %s\n", error.what());
    return 2;
  }
  return 0;
}
