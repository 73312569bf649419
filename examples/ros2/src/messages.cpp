#include "mapt_ros2/messages.hpp"

#include <cstring>

namespace mapt_ros2 {

namespace {

using diagnostic_msgs::msg::DiagnosticStatus;

bool is_swapped(const sensor_msgs::msg::Image& message) { return message.encoding == "bgr8"; }

void fill_image(const std_msgs::msg::Header& header, const mapt_labels& labels, const char* encoding,
                std::uint32_t bytes, const void* pixels, sensor_msgs::msg::Image& out) {
  out.header = header;
  out.height = static_cast<std::uint32_t>(labels.height);
  out.width = static_cast<std::uint32_t>(labels.width);
  out.encoding = encoding;
  out.is_bigendian = false;
  out.step = out.width * bytes;
  out.data.resize(std::size_t{out.step} * out.height);
  std::memcpy(out.data.data(), pixels, out.data.size());
}

void add(DiagnosticStatus& status, const char* key, const std::string& value) {
  status.values.emplace_back();
  status.values.back().key = key;
  status.values.back().value = value;
}

// OK, WARN or ERROR of a health.
std::uint8_t level_of(std::int32_t status) {
  if (status == MAPT_HEALTHY) return DiagnosticStatus::OK;
  return status == MAPT_DEGRADED || status == MAPT_LATE ? DiagnosticStatus::WARN : DiagnosticStatus::ERROR;
}

}  // namespace

bool is_usable(const sensor_msgs::msg::Image& message, std::string& reason) {
  if (message.encoding != "rgb8" && message.encoding != "bgr8")
    reason = "encoding " + message.encoding + " is not read; send rgb8 or bgr8";
  else if (message.height == 0 || message.width == 0 || message.step < 3 * message.width ||
           message.data.size() < std::size_t{message.step} * message.height)
    reason = "the message's size and its data do not fit; check the driver";
  else
    return true;
  return false;
}

mapt_image to_image(const sensor_msgs::msg::Image& message, std::string& buffer) {
  mapt_image image{};
  image.rgb = message.data.data();
  image.height = static_cast<std::int32_t>(message.height);
  image.width = static_cast<std::int32_t>(message.width);
  image.stride = message.step;
  if (!is_swapped(message)) return image;
  buffer.resize(std::size_t{3} * message.height * message.width);
  for (std::uint32_t y = 0; y < message.height; ++y)
    for (std::uint32_t x = 0; x < message.width; ++x)
      for (std::uint32_t c = 0; c < 3; ++c)
        buffer[3 * (std::size_t{y} * message.width + x) + c] =
            static_cast<char>(message.data[std::size_t{y} * message.step + 3 * x + 2 - c]);
  image.rgb = reinterpret_cast<const std::uint8_t*>(buffer.data());
  image.stride = 0;
  return image;
}

std::int64_t stamp_of(const std_msgs::msg::Header& header) {
  return std::int64_t{header.stamp.sec} * 1'000'000'000 + header.stamp.nanosec;
}

void fill_semantic(const mapt_labels& labels, const std_msgs::msg::Header& header, sensor_msgs::msg::Image& out) {
  fill_image(header, labels, "mono8", 1, labels.semantic, out);
}

void fill_instances(const mapt_labels& labels, const std_msgs::msg::Header& header, sensor_msgs::msg::Image& out) {
  fill_image(header, labels, "32SC1", 4, labels.instance, out);
}

void fill_detections(const mapt_labels& labels, const mapt_network& network, const std_msgs::msg::Header& header,
                     vision_msgs::msg::Detection2DArray& out) {
  out.header = header;
  out.detections.clear();
  for (std::int32_t i = 0; i < labels.track_count; ++i) {
    const mapt_track& track = labels.tracks[i];
    if (track.lost) continue;
    out.detections.emplace_back();
    auto& detection = out.detections.back();
    detection.header = header;
    detection.id = std::to_string(track.id);
    detection.bbox.center.position.x = (track.box[0] + track.box[2]) / 2;
    detection.bbox.center.position.y = (track.box[1] + track.box[3]) / 2;
    detection.bbox.size_x = track.box[2] - track.box[0];
    detection.bbox.size_y = track.box[3] - track.box[1];
    detection.results.emplace_back();
    detection.results.back().hypothesis.class_id = network.class_names[track.label];
    detection.results.back().hypothesis.score = track.score;
  }
}

void fill_diagnostics(const mapt_health& health, const mapt_network& network, const std::string& name,
                      diagnostic_msgs::msg::DiagnosticArray& out) {
  out.status.clear();
  out.status.emplace_back();
  DiagnosticStatus& status = out.status.back();
  status.level = level_of(health.status);
  status.name = name + ": tracker";
  status.hardware_id = network.provider;
  status.message =
      health.status == MAPT_HEALTHY ? "OK" : std::string(mapt_health_name(health.status)) + ": " + health.reason;
  add(status, "bundle", network.bundle);
  add(status, "frames", std::to_string(health.frames));
  add(status, "refused", std::to_string(health.refused));
  add(status, "failed", std::to_string(health.failed));
  add(status, "busy_ms", std::to_string(health.busy_ms));
  if (health.has_frame) add(status, "frame_ms", std::to_string(health.ms[MAPT_MS_FRAME]));
}

}  // namespace mapt_ros2
