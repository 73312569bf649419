"""Gives every frame a budget in milliseconds, and tells what was left out to keep it.

python examples/deadline_budget.py BUNDLE INPUT --budget 40
"""

import argparse
from collections import Counter
from pathlib import Path

from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticTracker

parser = argparse.ArgumentParser()
parser.add_argument("bundle", type=Path)
parser.add_argument("source", type=Path, help="a video or a folder of frames")
parser.add_argument("--budget", type=float, default=40.0, help="milliseconds for a frame")
given = parser.parse_args()

tracker = PanopticTracker.load(given.bundle)
left_out: Counter[str] = Counter()
late = 0
frames = 0
for entry in open_sources(given.source)[0]:
    frame = tracker.step(entry.image, entry.stamp_ns, deadline_ms=given.budget)
    left_out.update(frame.degraded)  # "appearance" first, then "motion" too
    late += frame.timings_ms["frame"] > given.budget
    frames += 1
print(f"{frames} frames with {given.budget:g} ms each: {late} late, {tracker.health().status.name}")
for head in ("appearance", "motion"):
    print(f"without {head}: {left_out[head]}")
