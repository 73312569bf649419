// Stand-in for ROS' header of this name.
#pragma once
#define RCLCPP_COMPONENTS_REGISTER_NODE(Type) static_assert(sizeof(Type) > 0, "a complete type is registered");
