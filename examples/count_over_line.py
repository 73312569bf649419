"""Counts cars that cross a line, in each direction.

python examples/count_over_line.py BUNDLE INPUT --line 0.5 [--label car]
"""

import argparse
from collections import Counter
from pathlib import Path

from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticTracker

parser = argparse.ArgumentParser()
parser.add_argument("bundle", type=Path)
parser.add_argument("source", type=Path, help="a video or a folder of frames")
parser.add_argument("--line", type=float, default=0.5, help="share of the width: an upright line")
parser.add_argument("--label", default="car")
given = parser.parse_args()

tracker = PanopticTracker.load(given.bundle)
sides: dict[int, bool] = {}  # by track: right of the line?
crossed: Counter[str] = Counter()
for entry in open_sources(given.source)[0]:
    frame = tracker.step(entry.image, entry.stamp_ns)
    line = given.line * entry.image.shape[1]
    for track in frame.tracks:
        if track.label_name != given.label or track.lost:
            continue
        right = (track.box[0] + track.box[2]) / 2 > line
        if sides.get(track.id, right) != right:
            crossed["to the right" if right else "to the left"] += 1
        sides[track.id] = right
print(f"{len(sides)} of {given.label} seen")
for direction in ("to the right", "to the left"):
    print(f"{crossed[direction]} {direction}")
