// What a step gave, as ROS messages. Nothing here knows of nodes.
#pragma once

#include <mapt.h>

#include <cstdint>
#include <string>

#include "diagnostic_msgs/msg/diagnostic_array.hpp"
#include "sensor_msgs/msg/image.hpp"
#include "std_msgs/msg/header.hpp"
#include "vision_msgs/msg/detection2_d_array.hpp"

namespace mapt_ros2 {

// Whether a message's pixels can be tracked; if not, `reason` says why.
bool is_usable(const sensor_msgs::msg::Image& message, std::string& reason);

// The pixels of a message as RGB. `rgb8` is read where it is; other encodings are turned into `buffer`.
mapt_image to_image(const sensor_msgs::msg::Image& message, std::string& buffer);

std::int64_t stamp_of(const std_msgs::msg::Header& header);

// `mono8` train ids.
void fill_semantic(const mapt_labels& labels, const std_msgs::msg::Header& header, sensor_msgs::msg::Image& out);

// `32SC1` track ids, 0 for none.
void fill_instances(const mapt_labels& labels, const std_msgs::msg::Header& header, sensor_msgs::msg::Image& out);

// The visible tracks: the id is the track's, the class its name.
void fill_detections(const mapt_labels& labels, const mapt_network& network, const std_msgs::msg::Header& header,
                     vision_msgs::msg::Detection2DArray& out);

void fill_diagnostics(const mapt_health& health, const mapt_network& network, const std::string& name,
                      diagnostic_msgs::msg::DiagnosticArray& out);

}  // namespace mapt_ros2
