"""MAPT's operators for ONNX Runtime and TensorRT: no import shows that these libraries are needed."""

from PyInstaller.utils.hooks import collect_dynamic_libs

binaries = collect_dynamic_libs("mapt.runtime", search_patterns=["*.so"])
