// Runs the frames of a record again and again: they have to come out as recorded, and after the first passes no step
// may allocate, nor may the program's memory grow.
//
// Usage: soak RECORD HEIGHT WIDTH FRAMES; the size is that of the camera's images.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

#include "runtime/core/tracker.h"
#include "tests/native/allocations.h"
#include "tests/native/replayed.h"

namespace {

constexpr int64_t kPeriod = 100'000'000;  // ns between passes
constexpr double kGrowth = 0.02;          // of memory, at most

void require(bool holds, const char* otherwise) {
  if (!holds) throw std::runtime_error(otherwise);
}

// Bytes of this process in memory, which are found without an allocation.
double resident() {
  char text[128] = {};
  const int file = open("/proc/self/statm", O_RDONLY);
  require(file >= 0 && read(file, text, sizeof text - 1) > 0, "/proc/self/statm cannot be read");
  close(file);
  long pages = 0;
  require(std::sscanf(text, "%*d %ld", &pages) == 1, "/proc/self/statm is malformed");
  return static_cast<double>(pages * sysconf(_SC_PAGESIZE));
}

// Of a frame's header in a record, what follows from the networks' outputs: the inputs of the later heads and the
// digest of the frame.
std::string outcome(const std::string& header) {
  const std::size_t from = header.find("\"instance\", {}"), to = header.find("\"arrays\"");
  require(from != std::string::npos && to != std::string::npos, "a header is malformed");
  return header.substr(from, to - from);
}

class Soak {
 public:
  Soak(const scripted::Record& record, int32_t height, int32_t width)
      : record_(record),
        network_(record.info),
        tracker_(&network_, mapt::TrackerOptions()),
        picture_(static_cast<std::size_t>(3) * height * width),
        image_{picture_.data(), height, width, int64_t{3} * width} {}

  // One pass over the frames, from a camera cut on; `frames` at most. Returns how many.
  long pass(long frames) {
    require(tracker_.reset().ok(), "the tracker cannot be reset");
    start_ns_ = stamp_ns_ + kPeriod - record_.frames[0].stamp_ns;
    long number = 0;
    for (; number < frames && number < static_cast<long>(record_.frames.size()); ++number)
      step(record_.frames[static_cast<std::size_t>(number)]);
    return number;
  }

  // The first pass, each frame beside what was recorded.
  void compare() {
    std::vector<uint8_t> bytes;
    require(tracker_.record_begin(&bytes).ok(), "no record begins");
    for (std::size_t i = 0; i < record_.frames.size(); ++i) {
      step(record_.frames[i]);
      require(tracker_.record_frame(frame_, {"", ""}, &bytes).ok(), "a frame cannot be recorded");
      const std::string made(bytes.begin(), bytes.end());
      if (outcome(made) != outcome(record_.frames[i].header))
        throw std::runtime_error("frame " + std::to_string(i) + " is another than the recorded one");
    }
    require(tracker_.record_end().ok(), "the record does not end");
  }

  int64_t next_id() const { return tracker_.next_id(); }

 private:
  void step(const scripted::RecordedFrame& frame) {
    network_.show(frame);
    stamp_ns_ = start_ns_ + frame.stamp_ns;
    const mapt::Status status = tracker_.step(image_, stamp_ns_, mapt::kNone, &frame_);
    require(status.ok(), status.text);
  }

  const scripted::Record& record_;
  scripted::Replayed network_;
  mapt::Tracker tracker_;
  std::vector<uint8_t> picture_;
  mapt::Image image_;
  mapt::Frame frame_;
  int64_t start_ns_ = 0;  // of a pass
  int64_t stamp_ns_ = 0;
};

void run(const std::string& path, int32_t height, int32_t width, long frames) {
  const scripted::Record record = scripted::read_record(path);
  Soak soak(record, height, width);
  soak.compare();
  soak.pass(frames);
  const long before = scripted::allocations();
  double first = 0;
  long done = 0;
  while (done < frames) {
    done += soak.pass(frames - done);
    if (!first && done >= frames / 10) first = resident();
  }
  const long made = scripted::allocations() - before;
  const double last = resident();
  std::printf("%ld frames of %zu recorded ones, %ld allocations, %.1f MB, %+.2f %%, ids up to %lld\n", done,
              record.frames.size(), made, last / 1e6, 100 * (last / first - 1), static_cast<long long>(soak.next_id()));
  require(made == 0, "steps allocate");
  require(last < first * (1 + kGrowth), "the memory grows");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fprintf(stderr, "usage: soak RECORD HEIGHT WIDTH FRAMES\n");
    return 2;
  }
  try {
    run(arguments[1], std::atoi(arguments[2]), std::atoi(arguments[3]), std::atol(arguments[4]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "soak: %s\n", error.what());
    return 1;
  }
  return 0;
}
