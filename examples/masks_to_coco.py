"""Writes the tracked masks as COCO's instances, for annotation tools and for training others.

python examples/masks_to_coco.py BUNDLE INPUT OUT.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from mapt.io.sources.folders import open_sources
from mapt.runtime import PanopticTracker

parser = argparse.ArgumentParser()
parser.add_argument("bundle", type=Path)
parser.add_argument("source", type=Path, help="a folder of frames, or a video")
parser.add_argument("out", type=Path, help="the file")
given = parser.parse_args()

tracker = PanopticTracker.load(given.bundle)
names = tracker.backend.info.classes
images = []
annotations = []
for number, entry in enumerate(open_sources(given.source)[0], 1):
    frame = tracker.step(entry.image, entry.stamp_ns)
    height, width = frame.instance.shape
    file = entry.file or f"{entry.stem}.png"
    images.append({"id": number, "file_name": file, "height": height, "width": width})
    for track in frame.tracks:
        if track.lost:
            continue
        runs = coco_mask.encode(np.asfortranarray(frame.instance == track.id, np.uint8))
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": track.label + 1,
                "track_id": track.id,
                "bbox": coco_mask.toBbox(runs).tolist(),
                "area": int(coco_mask.area(runs)),
                "segmentation": {**runs, "counts": runs["counts"].decode()},
                "iscrowd": 0,
            }
        )
categories = [{"id": index, "name": name} for index, name in enumerate(names, 1)]
content = {"images": images, "annotations": annotations, "categories": categories}
given.out.write_text(json.dumps(content))
print(f"{len(annotations)} masks in {len(images)} images: {given.out}")
