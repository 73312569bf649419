// Stand-in for ROS' header of this name: what the component uses, without a middleware. What is published is kept by
// topic, and messages are handed to subscriptions by tests.
#pragma once
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "std_msgs/msg/header.hpp"
namespace rclcpp {
struct Logger {};
inline void write_log(const char* level, const char* format, ...) {
  std::va_list values;
  va_start(values, format);
  std::fprintf(stderr, "%s ", level);
  std::vfprintf(stderr, format, values);
  std::fprintf(stderr, "\n");
  va_end(values);
}
class Parameter {
 public:
  using Value = std::variant<std::string, std::int64_t, double>;
  explicit Parameter(Value value) : value_(std::move(value)) {}
  std::string as_string() const { return std::get<std::string>(value_); }
  std::int64_t as_int() const { return std::get<std::int64_t>(value_); }
  double as_double() const { return std::get<double>(value_); }

 private:
  Value value_;
};
struct NodeOptions {
  std::map<std::string, Parameter::Value> overrides;
};
struct QoS {
  explicit QoS(int depth_) : depth(depth_) {}
  QoS& keep_last(int depth_) {
    depth = depth_;
    return *this;
  }
  int depth;
};
struct SensorDataQoS : QoS {
  SensorDataQoS() : QoS(5) {}
};
template <class Message>
struct Subscription {
  using SharedPtr = std::shared_ptr<Subscription>;
  std::function<void(const Message&)> callback;
};
struct TimerBase {
  using SharedPtr = std::shared_ptr<TimerBase>;
  std::function<void()> callback;
};
}  // namespace rclcpp
#define RCLCPP_ERROR(logger, ...) ((void)(logger), rclcpp::write_log("ERROR", __VA_ARGS__))
#define RCLCPP_WARN(logger, ...) ((void)(logger), rclcpp::write_log("WARN", __VA_ARGS__))
