"""Records a run, then replays it without the networks: every frame must come out the same.

python examples/record_and_replay.py INPUT RUN.record [--bundle BUNDLE]
"""

import argparse
from pathlib import Path

import numpy as np

from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticTracker
from mapt.runtime.persistence.recording import Recorder, Replayer

parser = argparse.ArgumentParser()
parser.add_argument("source", type=Path, help="a video or a folder of frames")
parser.add_argument("record", type=Path, help="the file that is written")
parser.add_argument("--bundle", type=Path, help="default: the network of the package")
given = parser.parse_args()
source = open_sources(given.source)[0]


def run(tracker):
    """Track every frame; the backend is told which frame it is, and what came out."""
    for entry in source:
        tracker.backend.begin(source.name, entry.stem, entry.stamp_ns)
        frame = tracker.step(entry.image, entry.stamp_ns)
        tracker.backend.end(frame)  # a replay raises here where it differs
        yield frame.instance


with given.record.open("wb") as file:
    backend = PanopticTracker.load(given.bundle, core="python").backend
    recorded = list(run(PanopticTracker(Recorder(backend, file, "full"))))
replayer = Replayer(given.record)
replayed = list(run(PanopticTracker(replayer, replayer.association)))
replayer.close()
assert all(np.array_equal(a, b) for a, b in zip(recorded, replayed, strict=True))
print(f"{len(replayed)} frames replayed, bit for bit; {given.record.stat().st_size >> 10} KiB")
