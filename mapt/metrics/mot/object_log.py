"""Keeps the objects of many frames in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mapt.metrics.mot.objects import FrameObjects


class ObjectLog:
    """The `FrameObjects` of one class, frame by frame.

    It takes 2 bytes an object, 12 a pair that shares pixels, and 12 a frame.
    """

    def __init__(self) -> None:
        self._lengths = array("I")  # objects, predictions and pairs of every frame
        self._ids = array("H")  # of every frame the objects', then the predictions'
        self._positions = array("H")  # of every frame the rows, then the columns
        self._iou = array("d")

    def append(self, frame: FrameObjects) -> None:
        """Add a frame, unless it has no object of either side, which changes no score."""
        if frame.gt_ids.size or frame.pred_ids.size:
            self._lengths.extend((frame.gt_ids.size, frame.pred_ids.size, frame.iou.size))
            for target, numbers in (
                (self._ids, (frame.gt_ids, frame.pred_ids)),
                (self._positions, (frame.rows, frame.columns)),
            ):
                target.frombytes(np.concatenate(numbers).astype(np.uint16).tobytes())
            self._iou.frombytes(frame.iou.tobytes())

    def extend(self, later: ObjectLog) -> None:
        """Add the frames of another log, which come after these."""
        self._lengths.extend(later._lengths)
        self._ids.extend(later._ids)
        self._positions.extend(later._positions)
        self._iou.extend(later._iou)

    def __len__(self) -> int:
        """Frames."""
        return len(self._lengths) // 3

    def __iter__(self) -> Iterator[FrameObjects]:
        """The frames in their order."""
        ids = _read(self._ids)
        positions = _read(self._positions)
        iou = np.array(self._iou, np.float64)
        at_id = 0
        at_pair = 0
        for gt, pred, pairs in np.array(self._lengths, np.int64).reshape(-1, 3).tolist():
            own = ids[at_id : at_id + gt + pred]
            places = positions[2 * at_pair : 2 * (at_pair + pairs)]
            yield FrameObjects(
                own[:gt], own[gt:], places[:pairs], places[pairs:], iou[at_pair : at_pair + pairs]
            )
            at_id += gt + pred
            at_pair += pairs


def _read(numbers: array[int]) -> NDArray[np.int64]:
    """An array of 16-bit numbers as (n,) int64; later growth of `numbers` does not touch it."""
    return np.array(numbers, np.int64)
