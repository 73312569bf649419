// A lifecycle component: `image` in; `labels/semantic`, `labels/instances`, `detections` and `diagnostics` out.
//
// Configuring opens, checks and tests the bundle, and fails at once where anything is wrong. Nothing is built or
// downloaded while it runs.
#pragma once

#include <mapt.h>

#include <memory>
#include <string>

#include "diagnostic_msgs/msg/diagnostic_array.hpp"
#include "rclcpp/rclcpp.hpp"
#include "rclcpp_lifecycle/lifecycle_node.hpp"
#include "sensor_msgs/msg/image.hpp"
#include "vision_msgs/msg/detection2_d_array.hpp"

namespace mapt_ros2 {

class TrackerComponent : public rclcpp_lifecycle::LifecycleNode {
 public:
  using Return = rclcpp_lifecycle::node_interfaces::LifecycleNodeInterface::CallbackReturn;

  explicit TrackerComponent(const rclcpp::NodeOptions& options);

  Return on_configure(const rclcpp_lifecycle::State& state) override;
  Return on_activate(const rclcpp_lifecycle::State& state) override;
  Return on_deactivate(const rclcpp_lifecycle::State& state) override;
  Return on_cleanup(const rclcpp_lifecycle::State& state) override;
  Return on_shutdown(const rclcpp_lifecycle::State& state) override;

 private:
  template <class Message>
  using Publisher = std::shared_ptr<rclcpp_lifecycle::LifecyclePublisher<Message>>;

  void on_image(const sensor_msgs::msg::Image& message);
  void report();
  void release();

  std::unique_ptr<mapt_tracker, decltype(&mapt_close)> tracker_{nullptr, mapt_close};
  std::unique_ptr<mapt_frame, decltype(&mapt_frame_free)> frame_{nullptr, mapt_frame_free};
  std::string buffer_;
  double deadline_ms_ = 0;
  bool active_ = false;
  Publisher<sensor_msgs::msg::Image> semantic_, instances_;
  Publisher<vision_msgs::msg::Detection2DArray> detections_;
  Publisher<diagnostic_msgs::msg::DiagnosticArray> diagnostics_;
  rclcpp::Subscription<sensor_msgs::msg::Image>::SharedPtr images_;
  rclcpp::TimerBase::SharedPtr timer_;
};

}  // namespace mapt_ros2
