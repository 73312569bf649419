"""Backends that run the subgraphs: ONNX Runtime, TensorRT and OpenVINO."""
