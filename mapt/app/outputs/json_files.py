"""Outputs in JSON: our own tracks and decisions, and COCO's format."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mapt.app.outputs.output import Labelled, Sequence
from mapt.labels.class_sets import ClassSet
from mapt.labels.rle import encode_mask
from mapt.runtime import PanopticFrame


class JsonOutput:
    """`tracks.json` and `decisions.jsonl`."""

    def __init__(self, folder: Path, sequence: Sequence) -> None:
        self.folder = folder
        self.sequence = sequence
        self.frames: list[dict[str, Any]] = []
        self.decisions: list[str] = []

    def write(self, labelled: Labelled) -> None:
        """Add the frame's tracks and decisions."""
        labels = labelled.labels
        stem = labelled.frame.stem
        self.frames.append(
            {
                "frame": stem,
                "stamp_ns": labels.stamp_ns,
                "alarms": list(labels.alarms),
                "tracks": [asdict(t) for t in labels.tracks],
            }
        )
        for decision in labels.decisions:
            row = {"frame": stem, "index": labelled.index, **asdict(decision)}
            self.decisions.append(json.dumps(row))

    def finish(self) -> None:
        """Write both files."""
        content = {
            "classes": list(self.sequence.labels.classes),
            "providers": dict(self.sequence.providers),
            "frames": self.frames,
        }
        (self.folder / "tracks.json").write_text(json.dumps(content) + "\n")
        text = "".join(line + "\n" for line in self.decisions)
        (self.folder / "decisions.jsonl").write_text(text)

    def abort(self) -> None:
        """Leave everything: nothing is open."""


class CocoOutput:
    """`coco.json`: images, annotations with run lengths and track ids, and categories."""

    def __init__(self, folder: Path, sequence: Sequence) -> None:
        self.path = folder / "coco.json"
        self.results = CocoResults(sequence.labels)

    def write(self, labelled: Labelled) -> None:
        """Add the frame's annotations."""
        frame = labelled.frame
        self.results.add(frame.file or f"{frame.stem}.png", labelled.labels)

    def finish(self) -> None:
        """Write the file."""
        self.path.write_text(json.dumps(self.results.content()) + "\n")

    def abort(self) -> None:
        """Leave everything: nothing is open."""


class CocoResults:
    """Collects frames as COCO's images, annotations and categories.

    An annotation is a visible track in one frame.

    Args:
        labels: classes; category ids are train ids.
    """

    def __init__(self, labels: ClassSet) -> None:
        self.labels = labels
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, name: str, frame: PanopticFrame) -> None:
        """Add the next frame under the name of its file."""
        height, width = frame.instance.shape
        image = len(self.images) + 1
        self.images.append({"id": image, "file_name": name, "height": height, "width": width})
        for track in frame.tracks:
            mask = frame.instance == track.id
            if track.lost or not mask.any():
                continue
            x1, y1, x2, y2 = track.box
            self.annotations.append(
                {
                    "id": len(self.annotations) + 1,
                    "image_id": image,
                    "category_id": track.label,
                    "track_id": track.id,
                    "segmentation": {"size": [height, width], "counts": encode_mask(mask).decode()},
                    "area": int(mask.sum()),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": track.score,
                    "iscrowd": 0,
                }
            )

    def content(self) -> dict[str, Any]:
        """Return the content of the JSON file."""
        categories = [
            {"id": i, "name": name, "isthing": int(i in self.labels.things)}
            for i, name in enumerate(self.labels.classes)
        ]
        return {"images": self.images, "annotations": self.annotations, "categories": categories}
