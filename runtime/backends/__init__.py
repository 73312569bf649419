"""What runs the subgraphs: ONNX Runtime, TensorRT, OpenVINO."""
