"""Export: the trained network as a bundle of ONNX subgraphs."""
