"""MAPT's operators for PyTorch, which loads these libraries by their path."""

from PyInstaller.utils.hooks import collect_dynamic_libs

binaries = collect_dynamic_libs("mapt.ops", search_patterns=["*.so"])
