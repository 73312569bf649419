"""Writes labelled frames in the formats of other tools, without torch.

These are COCO's run-length JSON, MOTChallenge's text, and supervision's detections.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mapt.errors import InputError
from mapt.io.growing_json import GrowingJson
from mapt.labels.class_sets import ClassSet
from mapt.labels.rle import encode_mask
from mapt.runtime import PanopticFrame


class CocoResults:
    """Writes frames as COCO's images, annotations and categories.

    An annotation is a visible track in one frame.

    Args:
        path: the JSON file.
        labels: classes; category ids are train ids.
    """

    def __init__(self, path: Path, labels: ClassSet) -> None:
        self.labels = labels
        self._file = GrowingJson(path, "images", "annotations")
        self._images = 0
        self._annotations = 0

    def add(self, name: str, frame: PanopticFrame) -> None:
        """Add the next frame under the name of its file."""
        height, width = frame.instance.shape
        self._images += 1
        self._file.append(
            "images",
            {"id": self._images, "file_name": name, "height": height, "width": width},
        )
        for track in frame.tracks:
            mask = frame.instance == track.id
            if track.lost or not mask.any():
                continue
            x1, y1, x2, y2 = track.box
            self._annotations += 1
            self._file.append(
                "annotations",
                {
                    "id": self._annotations,
                    "image_id": self._images,
                    "category_id": track.label,
                    "track_id": track.id,
                    "segmentation": {"size": [height, width], "counts": encode_mask(mask).decode()},
                    "area": int(mask.sum()),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": track.score,
                    "iscrowd": 0,
                },
            )

    def finish(self) -> None:
        """Write the file."""
        categories = [
            {"id": i, "name": name, "isthing": int(i in self.labels.things)}
            for i, name in enumerate(self.labels.classes)
        ]
        self._file.finish({}, {"categories": categories})

    def close(self) -> None:
        """Release what was not written."""
        self._file.close()


def mot_lines(index: int, frame: PanopticFrame) -> list[str]:
    """Return MOTChallenge's result lines of the visible tracks.

    A line is `frame,id,left,top,width,height,confidence,-1,-1,-1`.

    Args:
        index: of the frame, from 0; the format counts frames and pixels from 1.
        frame: the labels.
    """
    return [
        f"{index + 1},{t.id},{t.box[0] + 1:.2f},{t.box[1] + 1:.2f},{t.box[2] - t.box[0]:.2f},"
        f"{t.box[3] - t.box[1]:.2f},{t.score:.4f},-1,-1,-1"
        for t in frame.tracks
        if not t.lost
    ]


def to_supervision(frame: PanopticFrame) -> Any:
    """The visible tracks as `supervision.Detections`, for its annotators and sinks.

    Returns:
        n detections in the order of ids: xyxy (n,4) float32 pixels, mask (n,H,W) bool, confidence
            (n,) float32,
        class_id (n,) int64 train ids, tracker_id (n,) int64.

    Raises:
        InputError: supervision is not installed.
    """
    try:
        from supervision import Detections
    except ImportError:
        raise InputError("supervision is not installed; pip install 'mapt[supervision]'") from None
    rows = frame.track_array()
    rows = rows[(rows["lost"] == 0) & np.isin(rows["id"], frame.instance)]
    return Detections(
        xyxy=np.stack([rows[corner] for corner in ("x1", "y1", "x2", "y2")], 1),
        mask=frame.instance[None] == rows["id"][:, None, None],
        confidence=rows["score"].copy(),
        class_id=rows["label"].astype(np.int64),
        tracker_id=rows["id"].astype(np.int64),
    )
