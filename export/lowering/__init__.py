"""Turns modules into ONNX graphs, in three lowerings."""
