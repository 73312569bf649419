"""Tensors that stay in the memory of a device between subgraphs."""
