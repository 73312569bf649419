// mapt_host [--trust KEY] BUNDLE FRAME.ppm...: tracks pictures that lie in memory, at 10 frames a second, and prints
// every track. With a public Ed25519 key (PEM) it takes no bundle but one that its owner signed.
//
// Each file is mapped, and the tracker reads its pixels where they are. A second thread watches the tracker's health.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "panoptic_tracker.h"

namespace py = pybind11;

namespace {

constexpr std::int64_t kPeriodNs = 100'000'000;

// A binary PPM (P6, 8 bits a channel) in memory, as a camera's driver would hand it over.
class MappedPicture {
 public:
  explicit MappedPicture(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY);
    struct stat about{};
    if (file < 0 || fstat(file, &about) != 0) throw std::runtime_error(path + ": cannot be read");
    size_ = static_cast<std::size_t>(about.st_size);
    data_ = size_ ? mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    close(file);
    if (data_ == MAP_FAILED) throw std::runtime_error(path + ": cannot be mapped");
    const auto* bytes = static_cast<const char*>(data_);
    const std::string head(bytes, std::min<std::size_t>(size_, 64));
    int height = 0, width = 0, start = 0;
    const bool read = std::sscanf(head.c_str(), "P6 %d %d 255%n", &width, &height, &start) == 2 && start > 0;
    const auto pixels =
        3 * static_cast<std::size_t>(std::max(width, 0)) * static_cast<std::size_t>(std::max(height, 0));
    if (!read || !pixels || start + 1 + pixels != size_) {
      munmap(data_, size_);
      throw std::runtime_error(path + ": is no binary PPM without comments");
    }
    image = {reinterpret_cast<const std::uint8_t*>(bytes) + start + 1, height, width, py::ssize_t{3} * width};
  }
  ~MappedPicture() { munmap(data_, size_); }
  MappedPicture(const MappedPicture&) = delete;
  MappedPicture& operator=(const MappedPicture&) = delete;

  mapt::Image image{};

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

// Asks for the health every few milliseconds, as a supervisor would, until told to stop.
void watch(const mapt::Tracker& tracker, const std::atomic<bool>& stop, std::atomic<int>& asked) {
  while (!stop) {
    {
      py::gil_scoped_acquire lock;
      tracker.status();
      ++asked;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void drive(const std::string& bundle, const std::optional<std::string>& trust, int count, char** paths) {
  mapt::Tracker tracker(bundle, 1, trust);
  std::atomic<bool> stop{false};
  std::atomic<int> asked{0};
  std::thread watcher(watch, std::cref(tracker), std::cref(stop), std::ref(asked));
  auto finish = [&] {
    stop = true;
    py::gil_scoped_release unlock;  // the watcher may be waiting for it
    watcher.join();
  };
  try {
    for (int number = 0; number < count; ++number) {
      const MappedPicture picture(paths[number]);
      const auto frame = tracker.step(picture.image, number * kPeriodNs);
      if (!frame) {
        std::printf("frame %d: dropped, %s\n", number, tracker.dropped().c_str());
        continue;
      }
      long labelled = 0;
      for (py::ssize_t i = 0; i < picture.image.height * picture.image.width; ++i) labelled += frame->instance[i] > 0;
      std::printf("frame %d: %zu tracks, %ld pixels, %s\n", number, frame->count, labelled, tracker.status().c_str());
      for (const mapt::Track* t = frame->tracks; t != frame->tracks + frame->count; ++t)
        std::printf("  %d %d %.9g %.9g %.9g %.9g %.9g %d %d\n", t->id, t->label, t->score, t->x1, t->y1, t->x2, t->y2,
                    t->age, t->lost);
    }
  } catch (...) {
    finish();
    throw;
  }
  finish();
  std::printf("health was asked for %s\n", asked > 0 ? "meanwhile" : "never");
}

// Python as it was installed: no variable of the environment, no folder of the user's and none that the program is
// called from adds a module. Paths are UTF-8 whatever the locale is.
void isolate(PyConfig& config) {
  PyPreConfig before;
  PyPreConfig_InitIsolatedConfig(&before);
  before.utf8_mode = 1;
  Py_PreInitialize(&before);
  PyConfig_InitIsolatedConfig(&config);
  const char* python = std::getenv("MAPT_PYTHON");  // an interpreter elsewhere than where this was built
  PyConfig_SetBytesString(&config, &config.executable, python ? python : MAPT_PYTHON);
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<std::string> trust;
  int at = 1;
  if (argc > 2 && std::strcmp(argv[1], "--trust") == 0) trust = argv[2], at = 3;
  if (argc < at + 2) {
    std::fprintf(stderr, "usage: %s [--trust KEY] BUNDLE FRAME.ppm...\n", argv[0]);
    return 2;
  }
  PyConfig config;
  isolate(config);
  const py::scoped_interpreter interpreter(&config, 0, nullptr, false);
  try {
    drive(argv[at], trust, argc - at - 1, argv + at + 1);
  } catch (const py::error_already_set& error) {
    std::fprintf(stderr, "mapt_host: %s\n", py::str(error.value()).cast<std::string>().c_str());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mapt_host: %s\n", error.what());
    return 2;
  }
  return 0;
}
