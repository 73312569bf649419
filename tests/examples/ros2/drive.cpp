// drive BUNDLE FRAME.ppm...: takes the component through its life, and prints what it publishes.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "mapt_ros2/tracker_component.hpp"

namespace {

using Return = mapt_ros2::TrackerComponent::Return;
using sensor_msgs::msg::Image;
using vision_msgs::msg::Detection2DArray;

Image read(const char* path, int number, const char* encoding) {
  std::ifstream file(path, std::ios::binary);
  const std::string data{std::istreambuf_iterator<char>(file), {}};
  Image message;
  int start = 0;
  std::sscanf(data.c_str(), "P6 %u %u 255%n", &message.width, &message.height, &start);
  message.encoding = encoding;
  message.step = 3 * message.width;
  message.data.assign(data.begin() + start + 1, data.end());
  for (std::size_t i = 0; message.encoding == "bgr8" && i < message.data.size(); i += 3)
    std::swap(message.data[i], message.data[i + 2]);
  message.header.stamp.nanosec = 100'000'000u * static_cast<std::uint32_t>(number);
  message.header.frame_id = "camera";
  return message;
}

void print(const Detection2DArray& message) {
  std::printf("frame %u %s\n", message.header.stamp.nanosec, message.header.frame_id.c_str());
  for (const auto& found : message.detections) {
    const auto& box = found.bbox;
    std::printf("  %s %s %.6g %.6g %.6g %.6g\n", found.id.c_str(), found.results[0].hypothesis.class_id.c_str(),
                box.center.position.x - box.size_x / 2, box.center.position.y - box.size_y / 2,
                box.center.position.x + box.size_x / 2, box.center.position.y + box.size_y / 2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const rclcpp_lifecycle::State state;
  rclcpp::NodeOptions options;
  options.overrides["bundle"] = std::string(argv[1]);
  options.overrides["threads"] = std::int64_t{1};
  mapt_ros2::TrackerComponent node(options);
  if (node.on_configure(state) != Return::SUCCESS) {
    std::printf("not configured\n");
    return 1;
  }
  node.deliver("image", read(argv[2], 0, "rgb8"));  // not active yet: nothing is published
  node.on_activate(state);
  for (int i = 2; i < argc; ++i) node.deliver("image", read(argv[i], i, i % 2 ? "bgr8" : "rgb8"));
  node.deliver("image", read(argv[2], 9, "mono8"));
  node.deliver("image", read(argv[2], 1, "rgb8"));  // an older stamp
  node.timer->callback();
  for (const auto& message : *node.published<Detection2DArray>("detections")) print(message);
  const auto& status = node.published<diagnostic_msgs::msg::DiagnosticArray>("diagnostics")->back().status[0];
  std::printf("%u %s: %s\n", status.level, status.name.c_str(), status.message.c_str());
  const Image& instances = node.published<Image>("labels/instances")->back();
  const Image& semantic = node.published<Image>("labels/semantic")->back();
  std::printf("%s %ux%u %zu, %s %zu\n", instances.encoding.c_str(), instances.height, instances.width,
              instances.data.size(), semantic.encoding.c_str(), semantic.data.size());
  node.on_deactivate(state);
  node.on_cleanup(state);
  return node.on_configure(state) == Return::SUCCESS ? 0 : 1;
}
