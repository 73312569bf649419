"""A synthetic street as somebody labelled it: a COCO export with tracks, its images, and a clip."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mapt.io.image_files import read_rgb
from mapt.labels.class_sets import KITTI_STEP
from mapt.labels.rle import encode_mask
from mapt.labels.step_png import read_step

OWN = {"vehicle": ("car", "truck", "bus"), "person": ("person",), "road": ("road",)}


def export_street(street: Path, out: Path, split: str = "train") -> Path:
    """Write a folder of KITTI-STEP's layout as `out/annotations/instances.json` and `out/images`.

    Cars, trucks and buses become vehicles; people keep their name; the road is one region.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for path in sorted((street / "panoptic_maps" / split).glob("*/*.png")):
        name = f"{path.parent.name}/frame_{path.name}"
        copy = out / "images" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(street / "training" / "image_02" / path.parent.name / path.name, copy)
        semantic, instance = read_step(path)
        images.append({"id": len(images) + 1, "file_name": name})
        for category, names in enumerate(OWN.values(), 1):
            for label in (KITTI_STEP.classes.index(name) for name in names):
                for identity in np.unique(instance[semantic == label]):
                    mask = (semantic == label) & (instance == identity)
                    # Stuff of the street has no id: a truck is one object then.
                    track = int(identity) + 1000 * label
                    size = list(mask.shape)
                    annotations.append(
                        {
                            "id": len(annotations) + 1,
                            "image_id": len(images),
                            "category_id": category,
                            "segmentation": {"size": size, "counts": encode_mask(mask).decode()},
                            "attributes": {"track_id": track},
                            "iscrowd": 0,
                        }
                    )
    categories = [
        {"id": number, "name": name, "isthing": int(name != "road")}
        for number, name in enumerate(OWN, 1)
    ]
    target = out / "annotations" / "instances.json"
    target.parent.mkdir(parents=True)
    target.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return target


def write_clip(images: list[Path], target: Path, fps: float = 10.0) -> None:
    """Write images as an MP4."""
    first = read_rgb(images[0])
    height, width, _ = first.shape
    fourcc = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(target), fourcc, fps, (width, height))
    assert writer.isOpened()
    for path in images:
        writer.write(read_rgb(path)[..., ::-1])
    writer.release()
