"""Runs two bundles on the same frames: how fast each is, and how far they agree.

python examples/compare_bundles.py BUNDLE OTHER INPUT
"""

import argparse
import statistics
from pathlib import Path

from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticTracker

parser = argparse.ArgumentParser()
parser.add_argument("bundles", type=Path, nargs=2)
parser.add_argument("source", type=Path, help="a video or a folder of frames")
given = parser.parse_args()

trackers = [PanopticTracker.load(bundle) for bundle in given.bundles]
spent: list[list[float]] = [[], []]
same: list[float] = []  # share of pixels with the same class
counts: list[list[int]] = [[], []]
for entry in open_sources(given.source)[0]:
    frames = [tracker.step(entry.image, entry.stamp_ns) for tracker in trackers]
    for index, frame in enumerate(frames):
        spent[index].append(frame.timings_ms["frame"])
        counts[index].append(sum(not track.lost for track in frame.tracks))
    same.append(float((frames[0].semantic == frames[1].semantic).mean()))
for bundle, ms, tracks, tracker in zip(given.bundles, spent, counts, trackers, strict=True):
    print(
        f"{bundle}: {statistics.median(ms):.1f} ms a frame,"
        f" {statistics.fmean(tracks):.1f} tracks a frame, {tracker.next_id - 1} ids in all"
    )
print(f"same class in {100 * statistics.fmean(same):.2f} % of the pixels")
