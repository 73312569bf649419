"""The bytes of ONNX graphs, and the parameters that the graphs of several sizes share."""
