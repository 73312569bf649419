"""PyInstaller hook that collects MAPT's operators for ONNX Runtime and TensorRT.

No import statement mentions these libraries, so PyInstaller cannot find them on its own.
"""

from PyInstaller.utils.hooks import collect_dynamic_libs

binaries = collect_dynamic_libs("mapt.runtime", search_patterns=["*.so"])
