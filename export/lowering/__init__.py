"""From modules to ONNX graphs, in three lowerings."""
