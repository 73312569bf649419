"""Frames in bags of ROS and MCAP files."""
