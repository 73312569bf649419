// Steps of a scripted tracker: how much they allocate, and what other threads may do meanwhile.
//
// Usage: stress allocations|threads|restore [STEPS]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "runtime/core/crc32.h"
#include "runtime/core/tracker.h"
#include "tests/native/allocations.h"
#include "tests/native/street.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "stress: %s\n", what);
  std::exit(1);
}

struct Rig {
  explicit Rig(unsigned seed, int32_t objects = 30)
      : info(scripted::street_info(192, 320, 48)),
        network(info),
        street(info, objects, seed),
        tracker(&network, options()) {}

  static mapt::TrackerOptions options() {
    mapt::TrackerOptions options;
    options.model = "street";
    return options;
  }

  // The camera's size changes from time to time; its pixels are the script's own.
  mapt::Status step(int number) {
    network.script = street.next();
    network.inputs.clear();
    const bool large = number % 50 < 40;
    const mapt::Image image = {network.script.pixels, large ? 384 : 192, large ? 640 : 320, large ? 1920 : 960};
    return tracker.step(image, (number + 1) * int64_t{100000000}, number % 3 ? 1e9 : mapt::kNone, &frame);
  }

  mapt::ModelInfo info;
  scripted::Network network;
  scripted::Street street;
  mapt::Tracker tracker;
  mapt::Frame frame;
};

void count_allocations(int steps) {
  Rig rig(1, 60);
  for (int number = 0; number < 200; ++number) require(rig.step(number).ok(), "a step fails");
  const long before = scripted::allocations();
  for (int number = 200; number < 200 + steps; ++number) require(rig.step(number).ok(), "a step fails");
  const long made = scripted::allocations() - before;
  std::printf("%ld allocations in %d steps, %zu tracks, next id %lld\n", made, steps, rig.frame.tracks.size(),
              static_cast<long long>(rig.tracker.next_id()));
  require(made == 0, "a step allocates");
}

// Health, saving and a second thread that wants to step, all beside a step.
void share(int steps) {
  Rig rig(2);
  std::atomic<bool> over{false};
  std::atomic<long> saved{0}, busy{0};
  std::thread watcher([&] {
    while (!over) require(rig.tracker.health().frames >= 0 && rig.tracker.next_id() >= 1, "health is odd");
  });
  const auto save = [&] {
    while (!over) {
      std::vector<uint8_t> bytes;
      require(rig.tracker.save(&bytes).ok(), "saving fails");
      Rig other(3);
      require(other.tracker.restore(bytes.data(), bytes.size()).ok(), "what was saved cannot be restored");
      std::vector<uint8_t> again;
      require(other.tracker.save(&again).ok() && again == bytes, "a restored state saves other bytes");
      ++saved;
    }
  };
  std::thread saver(save);
  std::thread second_saver(save);
  std::thread intruder([&] {
    mapt::Frame frame;
    while (!over) busy += rig.tracker.step({}, 0, mapt::kNone, &frame).code == mapt::Code::kBusy;
  });
  for (int number = 0; number < steps; ++number) {
    mapt::Status status = rig.step(number);
    while (status.code == mapt::Code::kBusy) status = rig.step(number);
    require(status.ok(), status.text);
  }
  over = true;
  for (std::thread* thread : {&watcher, &saver, &second_saver, &intruder}) thread->join();
  std::printf("%d steps, %ld states saved, %ld times busy\n", steps, saved.load(), busy.load());
}

// Changes a few bits of a state, most of them in its header. An even `round` repairs its checksum, as an attacker
// would.
std::vector<uint8_t> damaged(std::vector<uint8_t> bytes, int round, std::mt19937& random) {
  if (round % 5 == 0) bytes.resize(random() % bytes.size());
  for (unsigned flips = random() % 4 + 1; flips && !bytes.empty(); --flips) {
    bytes[random() % std::min<size_t>(bytes.size(), round % 3 ? 900 : bytes.size())] ^= 1u << random() % 8;
  }
  if (round % 2 == 0 && bytes.size() > 16) {
    const uint32_t crc = mapt::crc32(bytes.data() + 16, bytes.size() - 16);
    std::memcpy(bytes.data() + 12, &crc, sizeof crc);
  }
  return bytes;
}

// A damaged state is refused and leaves the tracker as it was, or it can be gone on from.
void restore(int rounds) {
  Rig rig(4);
  for (int number = 0; number < 20; ++number) require(rig.step(number).ok(), "a step fails");
  std::vector<uint8_t> bytes, again;
  require(rig.tracker.save(&bytes).ok(), "saving fails");
  std::mt19937 random(5);
  int accepted = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::vector<uint8_t> other = damaged(bytes, round, random);
    if (rig.tracker.restore(other.data(), other.size()).ok()) {
      ++accepted;
      rig.step(20);
      require(rig.tracker.restore(bytes.data(), bytes.size()).ok(), "the true state is refused");
    }
    require(rig.tracker.save(&again).ok() && again == bytes, "a refused state changes the tracker");
  }
  std::printf("%d of %d damaged states accepted\n", accepted, rounds);
  require(accepted < rounds / 2, "damage is not seen");
}

}  // namespace

int main(int count, char** arguments) {
  const char* mode = count > 1 ? arguments[1] : "";
  const int steps = count > 2 ? std::atoi(arguments[2]) : 300;
  if (!std::strcmp(mode, "allocations")) {
    count_allocations(steps);
  } else if (!std::strcmp(mode, "threads")) {
    share(steps);
  } else if (!std::strcmp(mode, "restore")) {
    restore(steps);
  } else {
    std::fprintf(stderr, "usage: stress allocations|threads|restore [STEPS]\n");
    return 2;
  }
  return 0;
}
