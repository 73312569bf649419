"""Export: a trained network as a bundle of ONNX subgraphs."""
