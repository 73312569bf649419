"""Outputs in JSON: our own tracks and decisions, and COCO's format."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from mapt.app.outputs.growing_json import GrowingJson
from mapt.app.outputs.output import Labelled, OutputSequence, TextOutput
from mapt.labels.rle import encode_mask


class JsonOutput:
    """`tracks.json` and `decisions.jsonl`."""

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        self.sequence = sequence
        self.tracks = GrowingJson(folder / "tracks.json", "frames")
        self.decisions = TextOutput(folder / "decisions.jsonl")

    def write(self, labelled: Labelled) -> None:
        """Add the frame's tracks and decisions."""
        labels = labelled.labels
        stem = labelled.frame.stem
        row = {
            "frame": stem,
            "stamp_ns": labels.stamp_ns,
            "alarms": list(labels.alarms),
            "tracks": [asdict(t) for t in labels.tracks],
        }
        self.tracks.append("frames", row)
        start = {"frame": stem, "index": labelled.index}
        self.decisions.add(json.dumps(start | asdict(decision)) for decision in labels.decisions)

    def finish(self) -> None:
        """Complete both files."""
        before = {
            "classes": list(self.sequence.labels.classes),
            "providers": dict(self.sequence.providers),
        }
        stream = self.sequence.stream()
        self.tracks.finish(before, {} if stream is None else {"stream": asdict(stream)})
        self.decisions.finish()

    def abort(self) -> None:
        """Close both files as they are."""
        self.tracks.close()
        self.decisions.abort()


class CocoOutput:
    """`coco.json`: images, annotations with run lengths and track ids, and categories.

    An annotation is a visible track in one frame. Category ids are train ids.
    """

    def __init__(self, folder: Path, sequence: OutputSequence) -> None:
        self.labels = sequence.labels
        self._file = GrowingJson(folder / "coco.json", "images", "annotations")
        self._images = 0
        self._annotations = 0

    def write(self, labelled: Labelled) -> None:
        """Add the frame's annotations."""
        frame = labelled.labels
        height, width = frame.instance.shape
        name = labelled.frame.file or f"{labelled.frame.stem}.png"
        self._images += 1
        image = {"id": self._images, "file_name": name, "height": height, "width": width}
        self._file.append("images", image)
        for track in frame.tracks:
            mask = frame.instance == track.id
            if track.lost or not mask.any():
                continue
            x1, y1, x2, y2 = track.box
            self._annotations += 1
            annotation = {
                "id": self._annotations,
                "image_id": self._images,
                "category_id": track.label,
                "track_id": track.id,
                "segmentation": {"size": [height, width], "counts": encode_mask(mask).decode()},
                "area": int(mask.sum()),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": track.score,
                "iscrowd": 0,
            }
            self._file.append("annotations", annotation)

    def finish(self) -> None:
        """Write the file."""
        categories = [
            {"id": i, "name": name, "isthing": int(i in self.labels.things)}
            for i, name in enumerate(self.labels.classes)
        ]
        self._file.finish({}, {"categories": categories})

    def abort(self) -> None:
        """Throw the annotations away."""
        self._file.close()
