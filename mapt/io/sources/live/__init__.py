"""Cameras and streams, which do not wait for the tracker."""
