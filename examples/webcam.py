"""Tracks a camera, or anything else that OpenCV opens, and shows it until q is pressed.

python examples/webcam.py [--camera 0] [--save DIR] [--bundle BUNDLE]
"""

import argparse
import time
from pathlib import Path

import cv2

from mapt.app.window import open_window
from mapt.runtime import PanopticTracker

parser = argparse.ArgumentParser()
parser.add_argument("--camera", default="0", help="an index, a URL or a file")
parser.add_argument("--save", type=Path, help="write pictures here instead of showing them")
parser.add_argument("--bundle", type=Path, help="default: the network of the package")
given = parser.parse_args()

tracker = PanopticTracker.load(given.bundle)
camera = cv2.VideoCapture(int(given.camera) if given.camera.isdecimal() else given.camera)
camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest frame, not the oldest that waits


def next_picture():
    """Read and track a frame; None at the end."""
    there, bgr = camera.read()
    if not there:
        return None
    image = bgr[..., ::-1].copy()
    return tracker.step(image, time.monotonic_ns()).plot(image)


if given.save:
    given.save.mkdir(parents=True, exist_ok=True)
    number = 0
    while (picture := next_picture()) is not None:
        cv2.imwrite(str(given.save / f"{number:06d}.jpg"), picture[..., ::-1])
        number += 1
else:
    with open_window() as window:
        while window.open and (picture := next_picture()) is not None:
            window.show("camera", picture)
