// The network of a bundle, stage by stage, for tests that compare it with Python's backend.
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "runtime/backends/choice.h"
#include "runtime/bundle/errors.h"
#include "runtime/bundle/sha256.h"

#define PROBE extern "C" __attribute__((visibility("default")))

namespace {

struct Probe {
  std::unique_ptr<mapt::BundleNetwork> network;
  mapt::Perception seen;
  std::string error;

  // Keeps what a stage said; null where it went well.
  const char* keep(const mapt::Status& status) {
    error = status.text;
    return status.ok() ? nullptr : error.c_str();
  }
};

}  // namespace

PROBE Probe* probe_open(const char* bundle, const char* onnxruntime, int threads, int test) {
  auto* probe = new Probe;
  try {
    const auto library = mapt::OrtLibrary::open(onnxruntime);
    mapt::NetworkOptions options;
    options.threads = threads;
    options.device = mapt::Device::kCpu;
    options.test = test;
    probe->network =
        mapt::open_network(library, mapt::read_bundle({bundle, std::nullopt, library->version()}), options);
  } catch (const mapt::InputError& error) {
    probe->error = error.what();
  }
  return probe;
}

PROBE void probe_close(Probe* probe) { delete probe; }
PROBE const char* probe_error(const Probe* probe) { return probe->network ? nullptr : probe->error.c_str(); }

PROBE const char* probe_perceive(Probe* probe, const std::uint8_t* image, int height, int width, int slot,
                                 std::uint8_t* pixels) {
  mapt::Network& network = *probe->network;
  const mapt::ModelInfo& info = network.info();
  const std::uint8_t* made = nullptr;
  const auto letterbox = mapt::fit(height, width, info.height(), info.width());
  mapt::Status status = network.prepare({image, height, width, 3 * std::int64_t{width}}, letterbox, &made);
  if (status.ok()) std::memcpy(pixels, made, static_cast<std::size_t>(3 * info.pixels()));
  if (status.ok()) status = network.backbone();
  if (status.ok()) status = network.semantic(slot, &probe->seen);
  if (status.ok()) status = network.instance(&probe->seen);
  if (status.ok()) status = network.wait(&probe->seen);
  return probe->keep(status);
}

PROBE void probe_seen(const Probe* probe, const void** out) {
  const mapt::Perception& seen = probe->seen;
  const float* planes = nullptr;
  const mapt::Sizes& sizes = probe->network->info().sizes;
  std::vector<std::int32_t> classes(static_cast<std::size_t>(sizes.K));
  std::iota(classes.begin(), classes.end(), 0);
  const std::vector<std::uint8_t> rows(static_cast<std::size_t>(sizes.H / mapt::kStride), 1);
  probe->network->logits({classes.data(), sizes.K, rows.data()}, &planes);
  const void* all[] = {seen.margins, seen.labels,      seen.boxes,  seen.scores,
                       seen.classes, seen.mask_logits, seen.masks8, planes};
  std::copy(std::begin(all), std::end(all), out);
}

PROBE int probe_count(const Probe* probe) { return probe->seen.count; }

PROBE const char* probe_motion(Probe* probe, int before, int now, const float* masks_prev, int tracks,
                               const std::int32_t* rows, int detections, const float** out) {
  mapt::Status status = probe->network->motion({0, before, now, masks_prev, tracks, rows, detections}, out);
  if (status.ok()) status = probe->network->wait(nullptr);
  return probe->keep(status);
}

PROBE const char* probe_appearance(Probe* probe, const std::int32_t* rows, int detections, const float** out) {
  mapt::Status status = probe->network->appearance({0, rows, detections}, out);
  if (status.ok()) status = probe->network->wait(nullptr);
  return probe->keep(status);
}

PROBE const char* probe_features(Probe* probe, int slot, float* out) {
  return probe->keep(probe->network->read_features(slot, out));
}

PROBE const char* probe_sha256(const void* data, std::size_t size, int portable) {
  static thread_local std::string digest;
  const std::string_view bytes(static_cast<const char*>(data), size);
  digest = portable ? mapt::sha256_hex_portable(bytes) : mapt::sha256_hex(bytes);
  return digest.c_str();
}

PROBE void probe_resize(const std::uint8_t* image, int height, int width, std::uint8_t* out, int out_height,
                        int out_width) {
  static thread_local mapt::LinearResize resize;
  resize.run(image, height, width, 3 * std::int64_t{width}, out, out_height, out_width, 3 * std::int64_t{out_width});
}
