"""Saves the largest sighting of every track, its background removed.

python examples/save_crops.py BUNDLE INPUT OUT
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
parser.add_argument("out", type=Path, help="a folder: OUT/<class>_<id>.png")
given = parser.parse_args()

tracker = PanopticTracker.load(given.bundle)
best: dict[str, tuple[int, np.ndarray]] = {}  # by name: pixels of the mask, and the crop
for entry in open_sources(given.source)[0]:
    frame = tracker.step(entry.image, entry.stamp_ns)
    for track in frame.tracks:
        mask = frame.instance == track.id
        size = int(mask.sum())
        name = f"{track.label_name}_{track.id}"
        if size <= best.get(name, (0,))[0]:
            continue
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        window = np.s_[y : y + height, x : x + width]
        bgr = entry.image[window][..., ::-1]
        best[name] = (size, np.dstack((bgr, 255 * mask[window].astype(np.uint8))))
given.out.mkdir(parents=True, exist_ok=True)
for name, (_, crop) in best.items():
    cv2.imwrite(str(given.out / f"{name}.png"), crop)
print(f"{len(best)} crops in {given.out}")
