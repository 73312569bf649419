"""Tracks a folder of frames the way embedding software does, and prints what came out.

PyTorch must not be installed where this runs.

Usage: embed.py BUNDLE FRAMES. Prints the versions, then on the last line one hash over the labels
and one over the ids.
"""

import hashlib
import importlib.util
import pathlib
import platform
import sys

import cv2
import numpy
import onnxruntime

from mapt.runtime import PanopticTracker

assert "site-packages" in str(sys.modules["mapt.runtime"].__file__)
tracker = PanopticTracker.load(pathlib.Path(sys.argv[1]))
labels = hashlib.sha256()
ids = hashlib.sha256()
most = 0
for stamp, path in enumerate(sorted(pathlib.Path(sys.argv[2]).iterdir())):
    image = cv2.imread(str(path))[..., ::-1].copy()
    frame = tracker.step(image, stamp * 100_000_000)
    assert (
        frame.semantic.shape == frame.instance.shape == image.shape[:2]
        and frame.timings_ms["frame"] > 0
    )
    labels.update(frame.semantic.tobytes())
    ids.update(frame.instance.tobytes())
    most = max(most, int(frame.instance.max()))
assert most > 0, "nothing was tracked"
for absent in ("torch", "torchvision", "onnx", "timm"):
    assert importlib.util.find_spec(absent) is None and absent not in sys.modules, absent
print(
    f"Python {platform.python_version()}, ONNX Runtime {onnxruntime.__version__}, NumPy"
    f" {numpy.__version__}, OpenCV {cv2.__version__}, {most} tracks"
)
print(labels.hexdigest()[:16], ids.hexdigest()[:16])
