"""Makes people unrecognisable in a video; everything else stays sharp.

python examples/blur_people.py BUNDLE INPUT OUT.mp4 [--labels person,rider]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from mapt.io.sources.folders import open_sources
from mapt.io.video.writer import VideoWriter
from mapt.runtime import PanopticTracker

parser = argparse.ArgumentParser()
parser.add_argument("bundle", type=Path)
parser.add_argument("source", type=Path, help="a video or a folder of frames")
parser.add_argument("out", type=Path, help="the video")
parser.add_argument("--labels", default="person,rider", help="classes, by comma")
parser.add_argument("--margin", type=int, default=9, help="pixels around them that are blurred too")
given = parser.parse_args()

tracker = PanopticTracker.load(given.bundle)
names = tracker.backend.info.classes
wanted = [names.index(name) for name in given.labels.split(",")]
source = open_sources(given.source)[0]
writer = None
for entry in source:
    frame = tracker.step(entry.image, entry.stamp_ns)
    # By class, not by track: someone whom the tracker has not met yet is blurred as well.
    people = np.isin(frame.semantic, wanted).astype(np.uint8)
    people = cv2.dilate(people, np.ones((2 * given.margin + 1,) * 2, np.uint8))
    blurred = cv2.GaussianBlur(entry.image, (0, 0), entry.image.shape[0] / 40)
    picture = np.where(people[..., None] > 0, blurred, entry.image)
    if writer is None:
        writer = VideoWriter(given.out, (picture.shape[1], picture.shape[0]), source.fps)
    writer.write(entry.stamp_ns, picture)
writer.close()
print(f"{writer.count} frames: {given.out}")
