#include "mapt_ros2/tracker_component.hpp"

#include <chrono>

#include "mapt_ros2/messages.hpp"
#include "rclcpp_components/register_node_macro.hpp"

namespace mapt_ros2 {

TrackerComponent::TrackerComponent(const rclcpp::NodeOptions& options) : LifecycleNode("mapt_tracker", options) {
  declare_parameter("bundle", std::string());
  declare_parameter("trust", std::string());        // public Ed25519 key (PEM) that must have signed the bundle
  declare_parameter("onnxruntime", std::string());  // ONNX Runtime's library, where it is not found by itself
  declare_parameter("threads", 0);
  declare_parameter("frame_height", 0);  // of the camera's images, by which an input size is chosen
  declare_parameter("frame_width", 0);
  declare_parameter("deadline_ms", 0.0);  // 0: none
}

TrackerComponent::Return TrackerComponent::on_configure(const rclcpp_lifecycle::State&) {
  const std::string bundle = get_parameter("bundle").as_string();
  const std::string trust = get_parameter("trust").as_string();
  const std::string onnxruntime = get_parameter("onnxruntime").as_string();
  mapt_options options;
  mapt_default_options(&options, sizeof options);
  options.bundle = bundle.c_str();
  options.trust = trust.empty() ? nullptr : trust.c_str();
  options.onnxruntime = onnxruntime.empty() ? nullptr : onnxruntime.c_str();
  options.threads = static_cast<std::int32_t>(get_parameter("threads").as_int());
  options.frame_height = static_cast<std::int32_t>(get_parameter("frame_height").as_int());
  options.frame_width = static_cast<std::int32_t>(get_parameter("frame_width").as_int());
  deadline_ms_ = get_parameter("deadline_ms").as_double();
  mapt_tracker* tracker = nullptr;
  mapt_error error;
  if (mapt_open(&options, &tracker, &error) != MAPT_OK) {
    RCLCPP_ERROR(get_logger(), "%s", error.text);
    return Return::FAILURE;
  }
  tracker_.reset(tracker);
  frame_.reset(mapt_frame_new());
  semantic_ = create_publisher<sensor_msgs::msg::Image>("labels/semantic", rclcpp::SensorDataQoS());
  instances_ = create_publisher<sensor_msgs::msg::Image>("labels/instances", rclcpp::SensorDataQoS());
  detections_ = create_publisher<vision_msgs::msg::Detection2DArray>("detections", rclcpp::SensorDataQoS());
  diagnostics_ = create_publisher<diagnostic_msgs::msg::DiagnosticArray>("diagnostics", rclcpp::QoS(1));
  images_ = create_subscription<sensor_msgs::msg::Image>(
      "image", rclcpp::SensorDataQoS().keep_last(1),
      [this](const sensor_msgs::msg::Image& message) { on_image(message); });
  timer_ = create_wall_timer(std::chrono::seconds(1), [this] { report(); });
  return Return::SUCCESS;
}

TrackerComponent::Return TrackerComponent::on_activate(const rclcpp_lifecycle::State& state) {
  LifecycleNode::on_activate(state);
  active_ = true;
  return Return::SUCCESS;
}

TrackerComponent::Return TrackerComponent::on_deactivate(const rclcpp_lifecycle::State& state) {
  active_ = false;
  mapt_reset(tracker_.get(), nullptr);  // what comes after a pause is another scene; ids go on counting
  LifecycleNode::on_deactivate(state);
  return Return::SUCCESS;
}

TrackerComponent::Return TrackerComponent::on_cleanup(const rclcpp_lifecycle::State&) {
  release();
  return Return::SUCCESS;
}

TrackerComponent::Return TrackerComponent::on_shutdown(const rclcpp_lifecycle::State&) {
  release();
  return Return::SUCCESS;
}

void TrackerComponent::release() {
  active_ = false;
  timer_.reset();
  images_.reset();
  semantic_.reset();
  instances_.reset();
  detections_.reset();
  diagnostics_.reset();
  frame_.reset();
  tracker_.reset();
}

void TrackerComponent::on_image(const sensor_msgs::msg::Image& message) {
  if (!active_) return;
  std::string reason;
  if (!is_usable(message, reason)) {
    RCLCPP_WARN(get_logger(), "image: %s", reason.c_str());
    return;
  }
  const mapt_image image = to_image(message, buffer_);
  mapt_error error;
  const double* deadline = deadline_ms_ > 0 ? &deadline_ms_ : nullptr;
  if (mapt_step(tracker_.get(), &image, stamp_of(message.header), deadline, frame_.get(), &error) != MAPT_OK) {
    RCLCPP_WARN(get_logger(), "frame dropped: %s", error.text);
    return;
  }
  const mapt_labels& labels = *mapt_frame_read(frame_.get());
  auto semantic = std::make_unique<sensor_msgs::msg::Image>();
  auto instances = std::make_unique<sensor_msgs::msg::Image>();
  auto detections = std::make_unique<vision_msgs::msg::Detection2DArray>();
  fill_semantic(labels, message.header, *semantic);
  fill_instances(labels, message.header, *instances);
  fill_detections(labels, *mapt_describe(tracker_.get()), message.header, *detections);
  semantic_->publish(std::move(semantic));
  instances_->publish(std::move(instances));
  detections_->publish(std::move(detections));
}

void TrackerComponent::report() {
  if (!active_) return;
  mapt_health health;
  health.size = sizeof health;
  mapt_read_health(tracker_.get(), &health);
  auto message = std::make_unique<diagnostic_msgs::msg::DiagnosticArray>();
  fill_diagnostics(health, *mapt_describe(tracker_.get()), get_name(), *message);
  message->header.stamp = now();
  diagnostics_->publish(std::move(message));
}

}  // namespace mapt_ros2

RCLCPP_COMPONENTS_REGISTER_NODE(mapt_ros2::TrackerComponent)
