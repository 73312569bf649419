"""Labelled frames as bytes, from which every output can be written again exactly."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mapt.errors import InputError
from mapt.runtime import PanopticFrame
from mapt.runtime.frame import Decision, Track
from mapt.runtime.persistence.packing import Arrays, pack, unpack

KIND = "LABL"
VERSION = 1
_LENGTH = struct.Struct("<Q")
_LEVEL = 1  # label maps are long runs, which the quickest level shrinks as well
MISSING = "lacks its end; run `mapt track` again"


def write_frame(file: BinaryIO, frame: PanopticFrame) -> None:
    """Append a frame to a file."""
    meta = {
        "tracks": [asdict(track) for track in frame.tracks],
        "decisions": [asdict(decision) for decision in frame.decisions],
        "timings_ms": frame.timings_ms,
        "stamp_ns": frame.stamp_ns,
        "overflow": frame.overflow,
        "degraded": frame.degraded,
        "alarms": frame.alarms,
        "classes": frame.classes,
    }
    arrays: Arrays = {"semantic": frame.semantic, "instance": frame.instance}
    data = zlib.compress(pack(KIND, VERSION, meta, arrays), _LEVEL)
    file.write(_LENGTH.pack(len(data)))
    file.write(data)


def read_frames(path: Path) -> Iterator[PanopticFrame]:
    """Yield the frames of a file.

    Raises:
        InputError: it is damaged.
    """
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            try:
                data = file.read(_LENGTH.unpack(head)[0])
                yield _frame(*unpack(KIND, VERSION, zlib.decompress(data)))
            except (struct.error, zlib.error, ValueError, KeyError, TypeError):
                raise InputError(f"{path}: {MISSING}") from None


def _frame(meta: dict[str, Any], arrays: dict[str, Any]) -> PanopticFrame:
    return PanopticFrame(
        np.asarray(arrays["semantic"], np.uint8),
        np.asarray(arrays["instance"], np.int32),
        tuple(Track(**{**row, "box": tuple(row["box"])}) for row in meta["tracks"]),
        tuple(Decision(**row) for row in meta["decisions"]),
        dict(meta["timings_ms"]),
        int(meta["stamp_ns"]),
        int(meta["overflow"]),
        tuple(meta["degraded"]),
        tuple(meta["alarms"]),
        tuple(meta["classes"]),
    )
