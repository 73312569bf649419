// Stand-in for ROS' header of this name.
#pragma once
#include "rclcpp/rclcpp.hpp"
namespace rclcpp_lifecycle {
struct State {};
namespace node_interfaces {
struct LifecycleNodeInterface {
  enum class CallbackReturn { SUCCESS, FAILURE, ERROR };
};
}  // namespace node_interfaces
template <class Message>
struct LifecyclePublisher {
  explicit LifecyclePublisher(std::shared_ptr<std::vector<Message>> kept_) : kept(std::move(kept_)) {}
  void publish(std::unique_ptr<Message> message) { kept->push_back(std::move(*message)); }
  std::shared_ptr<std::vector<Message>> kept;
};
class LifecycleNode {
 public:
  using CallbackReturn = node_interfaces::LifecycleNodeInterface::CallbackReturn;
  LifecycleNode(std::string name, rclcpp::NodeOptions options) : name_(std::move(name)), options_(std::move(options)) {}
  virtual ~LifecycleNode() = default;
  virtual CallbackReturn on_configure(const State&) { return CallbackReturn::SUCCESS; }
  virtual CallbackReturn on_activate(const State&) { return CallbackReturn::SUCCESS; }
  virtual CallbackReturn on_deactivate(const State&) { return CallbackReturn::SUCCESS; }
  virtual CallbackReturn on_cleanup(const State&) { return CallbackReturn::SUCCESS; }
  virtual CallbackReturn on_shutdown(const State&) { return CallbackReturn::SUCCESS; }
  rclcpp::Logger get_logger() const { return {}; }
  const char* get_name() const { return name_.c_str(); }
  builtin_interfaces::msg::Time now() const { return {1, 0}; }
  void declare_parameter(const std::string& name, const std::string& value) { declare(name, value); }
  void declare_parameter(const std::string& name, int value) { declare(name, std::int64_t{value}); }
  void declare_parameter(const std::string& name, double value) { declare(name, value); }
  rclcpp::Parameter get_parameter(const std::string& name) const {
    return rclcpp::Parameter(parameters_.at(name));
  }
  template <class Message>
  std::shared_ptr<LifecyclePublisher<Message>> create_publisher(const std::string& topic, const rclcpp::QoS&) {
    return std::make_shared<LifecyclePublisher<Message>>(published<Message>(topic));
  }
  template <class Message, class Callback>
  typename rclcpp::Subscription<Message>::SharedPtr create_subscription(const std::string& topic, const rclcpp::QoS&,
                                                                        Callback callback) {
    auto made = std::make_shared<rclcpp::Subscription<Message>>();
    made->callback = callback;
    subscriptions_[topic] = made;
    return made;
  }
  rclcpp::TimerBase::SharedPtr create_wall_timer(std::chrono::seconds, std::function<void()> callback) {
    timer = std::make_shared<rclcpp::TimerBase>();
    timer->callback = std::move(callback);
    return timer;
  }

  // For tests.
  template <class Message>
  std::shared_ptr<std::vector<Message>> published(const std::string& topic) {
    auto& kept = published_[topic];
    if (!kept) kept = std::make_shared<std::vector<Message>>();
    return std::static_pointer_cast<std::vector<Message>>(kept);
  }
  template <class Message>
  void deliver(const std::string& topic, const Message& message) {
    std::static_pointer_cast<rclcpp::Subscription<Message>>(subscriptions_.at(topic))->callback(message);
  }
  rclcpp::TimerBase::SharedPtr timer;

 private:
  void declare(const std::string& name, rclcpp::Parameter::Value value) {
    const auto given = options_.overrides.find(name);
    parameters_.emplace(name, given == options_.overrides.end() ? value : given->second);
  }
  std::string name_;
  rclcpp::NodeOptions options_;
  std::map<std::string, rclcpp::Parameter::Value> parameters_;
  std::map<std::string, std::shared_ptr<void>> published_, subscriptions_;
};
}  // namespace rclcpp_lifecycle
