"""The state that a tracker keeps from frame to frame, and its form as bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import ModelInfo
from mapt.errors import shown
from mapt.runtime.association.track_state import TrackState
from mapt.runtime.association.tracks import MAX_ID, TrackTable
from mapt.runtime.backends.protocol import on_host
from mapt.runtime.errors import StateError
from mapt.runtime.monitoring.timestamps import MAX_STAMP
from mapt.runtime.persistence.packing import Arrays, pack, unpack

Float = NDArray[np.float32]
KIND = "STAT"
VERSION = 2
# pixels, and pixels a second; what a host's clock makes of a frame's width stays far below
FAR = 1e18
UNIT = 1.01  # length of an embedding at most


@dataclass(frozen=True)
class TrackerState:
    """The state of a tracker, which is immutable: a step returns the next state.

    Attributes:
        table: the tracks.
        s: semantic features of the last frame, an array or a `DeviceTensor` (1,S,H/8,W/8); None
            before the first.
        stamp_ns: time of the last frame; None before the first.
        accepted_ns: the same, also of a frame that showed nothing and left the rest as it was; not
            saved.
        fresh_ns: time of the last frame whose pixels were new: what the masks really show.
        pixels: fingerprint of the last input.
        size: height and width of the last image; another size ends propagation.
        recent: births and visible objects of the last frames that followed another, for the
            monitor.
    """

    table: TrackTable
    s: Any = None
    stamp_ns: int | None = None
    fresh_ns: int | None = None
    pixels: int = 0
    size: tuple[int, int] = (0, 0)
    recent: tuple[tuple[int, int], ...] = ()
    accepted_ns: int | None = None

    @property
    def frozen(self) -> bool:
        """Whether the last frame's pixels were those of the frame before."""
        return self.fresh_ns != self.stamp_ns

    def next(self, s: Any, stamp_ns: int, pixels: int, size: tuple[int, int]) -> TrackerState:
        """Return the state after a frame, with the tracks still to be updated."""
        same = self.stamp_ns is not None and (self.pixels, self.size) == (pixels, size)
        fresh = self.fresh_ns if same else stamp_ns
        last = replace(self, s=s, pixels=pixels, size=size)
        return replace(last, stamp_ns=stamp_ns, fresh_ns=fresh, accepted_ns=stamp_ns)

    def counted(self, births: int, visible: int) -> tuple[tuple[int, int], ...]:
        """Return `recent` with one more frame."""
        return (*self.recent, (births, visible))[-self.table.thresholds.churn_window :]

    def follows(self, before: TrackerState, max_gap: float) -> bool:
        """Tell whether the masks of the last frame can be propagated into this one.

        `max_gap` is in seconds.

        While a camera repeats its last picture the world moves on, so what counts then is when that
        picture was new.
        """
        if (
            before.stamp_ns is None
            or before.fresh_ns is None
            or self.stamp_ns is None
            or self.size != before.size
        ):
            return False
        since = before.stamp_ns if self.frozen else before.fresh_ns
        return (self.stamp_ns - since) / 1e9 <= max_gap

    def cut(self) -> TrackerState:
        """Return the state after a camera cut.

        It has neither tracks nor a last frame, but ids go on counting.
        """
        return TrackerState(replace(self.table, tracks=()))


def model_id(info: ModelInfo, bundle_id: str = "") -> str:
    """Return an id that tells the states of different networks apart.

    It is the bundle's id, or a hash over what is known of the network.
    """
    return (
        bundle_id or hashlib.sha256(json.dumps(asdict(info), sort_keys=True).encode()).hexdigest()
    )


def save(state: TrackerState, model: str) -> bytes:
    """The state as versioned bytes; see `restore`."""
    tracks = state.table.tracks
    active = state.table.active()
    meta = {
        "model": model,
        "association": state.table.association,
        "next_id": state.table.next_id,
        "stamp_ns": state.stamp_ns,
        "fresh_ns": state.fresh_ns,
        "pixels": state.pixels,
        "size": list(state.size),
        "recent": [list(pair) for pair in state.recent],
    }
    arrays: Arrays = {
        "id": np.array([t.id for t in tracks], np.int32),
        "label": np.array([t.label for t in tracks], np.int32),
        "score": np.array([t.score for t in tracks], np.float64),
        "age": np.array([t.age for t in tracks], np.int64),
        "lost": np.array([t.frames_since_seen for t in tracks], np.int64),
        "seen_ns": np.array([t.last_seen_ns for t in tracks], np.int64),
    }
    if state.s is not None:
        arrays["s"] = on_host(state.s)
    if tracks:
        arrays |= {
            "box": np.stack([t.box for t in tracks]),
            "embedding": np.stack([t.embedding for t in tracks]),
            "velocity": np.stack([t.velocity for t in tracks]),
        }
    if active:
        arrays["mask8"] = np.stack([t.mask8 for t in active])
    return pack(KIND, VERSION, meta, arrays)


def restore(data: bytes, model: str, info: ModelInfo, empty: TrackTable) -> TrackerState:
    """The state that `save` was given, checked in full before anything is used.

    Args:
        data: from `save`.
        model: of the tracker that restores.
        info: of its network.
        empty: its table, whose limits, association and capacity hold.

    Raises:
        StateError: damaged or foreign bytes, another version, network or association.
    """
    try:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise ValueError(f"they are a {type(data).__name__}, no bytes")
        meta, arrays = unpack(KIND, VERSION, bytes(data))
        if meta.get("model") != model:
            raise ValueError("they belong to another network")
        if meta.get("association") != empty.association:
            raise ValueError(f"they belong to association {shown(meta.get('association'), 20)}")
        return _build(meta, arrays, info, empty)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        what = str(error) if type(error) is ValueError else "they are malformed"
        raise StateError(
            f"saved state: these bytes cannot be restored, {what}; start with reset()"
        ) from None


def _build(
    meta: dict[str, Any], arrays: Arrays, info: ModelInfo, empty: TrackTable
) -> TrackerState:
    sizes = info.sizes
    grid = (sizes["H"] // 8, sizes["W"] // 8)
    number = _whole(meta["next_id"], 1, MAX_ID + 1)
    stamp, fresh = (
        None if meta[k] is None else _whole(meta[k], 0, MAX_STAMP) for k in ("stamp_ns", "fresh_ns")
    )
    height, width = (_whole(v, 0, 2**31) for v in meta["size"])
    count = len(arrays["id"])
    columns = [arrays[k] for k in ("id", "label", "score", "age", "lost", "seen_ns")]
    _must(all(c.shape == (count,) for c in columns), "their columns differ in length")
    ids, labels, scores, ages, lost, seen = (c.tolist() for c in columns)
    _must(
        all(type(v) is int for c in (ids, labels, ages, lost, seen) for v in c),
        "their columns have wrong types",
    )
    _must(
        all(a < b for a, b in zip([0, *ids], [*ids, number], strict=True)), "their ids do not rise"
    )
    _must(set(labels) <= set(info.things), "a label is no thing")
    _must(all(0 <= s <= 1 for s in scores), "a score is outside [0,1]")
    _must(all(0 <= n <= age for n, age in zip(lost, ages, strict=True)), "an age is wrong")
    _must(count <= empty.capacity, "there are too many tracks")
    known = stamp is not None
    _must(
        known == ("s" in arrays) == (fresh is not None) and (known or not count),
        "they are incomplete",
    )
    _must(
        not known or all(0 <= t <= (stamp or 0) for t in [*seen, fresh or 0]), "a time lies ahead"
    )
    s = _floats(arrays, "s", (1, sizes["S"], *grid)) if known else None
    boxes = _floats(arrays, "box", (count, 4))
    looks = _floats(arrays, "embedding", (count, sizes["E"]))
    velocities = _floats(arrays, "velocity", (count, 2))
    far = max(float(np.abs(a).max(initial=0)) for a in (boxes, velocities))
    _must(far <= FAR, "a box is too far away")
    _must(
        bool((np.linalg.norm(looks.astype(np.float64), axis=1) <= UNIT).all()),
        "an embedding is too long",
    )
    active = [i for i in range(count) if not lost[i]]
    masks = dict(zip(active, _floats(arrays, "mask8", (len(active), 1, *grid)), strict=True))
    nothing = np.zeros((1, 0, 0), np.float32)
    tracks = tuple(
        TrackState(
            ids[i],
            labels[i],
            float(scores[i]),
            boxes[i],
            masks.get(i, nothing),
            looks[i],
            ages[i],
            lost[i],
            seen[i],
            velocities[i],
        )
        for i in range(count)
    )
    pixels = _whole(meta["pixels"], 0, 2**32 - 1)
    recent = tuple((_whole(a, 0, MAX_ID), _whole(b, 0, MAX_ID)) for a, b in meta["recent"])
    _must(len(recent) <= empty.thresholds.churn_window, "they remember too much")
    table = replace(empty, tracks=tracks, next_id=number)
    return TrackerState(table, s, stamp, fresh, pixels, (height, width), recent, stamp)


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _whole(value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError("a number is out of range")
    return value


def _floats(arrays: Arrays, name: str, shape: Iterable[int]) -> Float:
    shape = tuple(shape)
    found = arrays[name] if 0 not in shape else np.zeros(shape, np.float32)
    right = found.dtype == np.float32 and found.shape == shape and bool(np.isfinite(found).all())
    _must(right, f"{name} is not finite float32 {shape}")
    return found.copy()
