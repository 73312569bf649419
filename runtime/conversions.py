"""What other programs take of a frame: a picture, a table, JSON, and supervision's detections.

The packages for it are imported when they are asked for, so the runtime does not need them.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

    from mapt.runtime.frame import PanopticFrame

COLUMNS = {
    "stamp_ns": "int64", "id": "int32", "label": "int32", "label_name": "str", "score": "float32",
    "x1": "float32", "y1": "float32", "x2": "float32", "y2": "float32", "age": "int32",
}  # fmt: skip


def plot(
    frame: PanopticFrame, image: NDArray[np.uint8], labels: bool, legend: bool
) -> NDArray[np.uint8]:
    """`PanopticFrame.plot`."""
    from mapt.drawing.frames import draw_frame

    height, width = frame.semantic.shape
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.shape != (height, width, 3):
        found = "x".join(map(str, array.shape)) or "a number"
        raise InputError(
            f"plot: the image is {found} {array.dtype}, the frame {height}x{width}x3 uint8; give"
            " the image of its step"
        )
    return draw_frame(np.ascontiguousarray(array), frame, labels=labels, legend=legend)


def rows(frame: PanopticFrame) -> list[tuple[int | float | str, ...]]:
    """The visible tracks, values in the order of `COLUMNS`."""
    return [
        (frame.stamp_ns, t.id, t.label, t.label_name, t.score, *t.box, t.age)
        for t in frame.tracks
        if not t.lost
    ]


def to_dict(frame: PanopticFrame) -> dict[str, Any]:
    """`PanopticFrame.to_dict`."""
    height, width = frame.semantic.shape
    return {
        "stamp_ns": frame.stamp_ns,
        "height": height,
        "width": width,
        "classes": list(frame.classes),
        "tracks": [{**asdict(t), "box": list(t.box)} for t in frame.tracks],
        "decisions": [asdict(d) for d in frame.decisions],
        "timings_ms": dict(frame.timings_ms),
        "overflow": frame.overflow,
        "degraded": list(frame.degraded),
        "alarms": list(frame.alarms),
    }


def to_dataframe(frame: PanopticFrame) -> DataFrame:
    """`PanopticFrame.to_dataframe`."""
    try:
        from pandas import DataFrame
    except ImportError:
        raise InputError("pandas is not installed; pip install 'mapt[pandas]'") from None
    return DataFrame(rows(frame), columns=[*COLUMNS]).astype(COLUMNS)


def to_supervision(frame: PanopticFrame) -> Any:
    """`PanopticFrame.to_supervision`."""
    try:
        from supervision import Detections
    except ImportError:
        raise InputError("supervision is not installed; pip install 'mapt[supervision]'") from None
    table = frame.track_array()
    shown = (table["lost"] == 0) & np.isin(table["id"], frame.instance)
    names = np.array([t.label_name for t in frame.tracks], np.str_)[shown]
    table = table[shown]
    return Detections(
        xyxy=np.stack([table[corner] for corner in ("x1", "y1", "x2", "y2")], 1),
        mask=frame.instance[None] == table["id"][:, None, None],
        confidence=table["score"].copy(),
        class_id=table["label"].astype(np.int64),
        tracker_id=table["id"].astype(np.int64),
        data={"class_name": names},
    )
