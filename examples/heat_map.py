"""Draws where people walk, or cars drive, as a heat map over the last frame.

python examples/heat_map.py BUNDLE INPUT OUT.png [--label person]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticTracker

parser = argparse.ArgumentParser()
parser.add_argument("bundle", type=Path)
parser.add_argument("source", type=Path, help="a video or a folder of frames")
parser.add_argument("out", type=Path, help="the picture")
parser.add_argument("--label", default="person")
given = parser.parse_args()

tracker = PanopticTracker.load(given.bundle)
heat = None
for entry in open_sources(given.source)[0]:
    frame = tracker.step(entry.image, entry.stamp_ns)
    if heat is None:
        heat = np.zeros(entry.image.shape[:2], np.float32)
    for track in frame.tracks:
        if track.label_name == given.label and not track.lost:
            x1, _, x2, y2 = track.box  # where it stands: the middle of the lower edge
            spot = np.zeros_like(heat)
            radius = max(3, round((x2 - x1) / 2))
            cv2.circle(spot, (round((x1 + x2) / 2), round(y2)), radius, 1.0, -1)
            heat += spot
heat = cv2.GaussianBlur(heat, (0, 0), 5)
share = heat / max(float(heat.max()), 1e-6)
colours = cv2.applyColorMap(np.uint8(255 * share), cv2.COLORMAP_INFERNO)
weight = 0.7 * share[..., None]
picture = (1 - weight) * entry.image[..., ::-1] + weight * colours
cv2.imwrite(str(given.out), picture.astype(np.uint8))
print(f"heat map of {given.label}: {given.out}")
