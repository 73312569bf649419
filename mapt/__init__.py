"""MAPT: motion and appearance-aware panoptic tracking, from training to a torch-free runtime."""

import os

__version__ = "0.1.0"

# ONNX Runtime reads this when it is imported. Without it, it keeps a device's id and a queue of
# reports in the user's cache. Whoever wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
