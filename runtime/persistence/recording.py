"""Records a run's network outputs in a file and replays the run from it.

The replay is equal bit for bit, or it reports where it first differs.

Everything after the networks is deterministic, so their outputs are all it takes. Kept is what the
runtime reads of them; features that only other networks read come back as zeros. The file is a row
of blobs of `packing`, each behind its length as uint64: one `RECH` that says what ran, then one
`RECF` per frame.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mapt.contract import BY_NAME, HOST_READS, SYMBOLS, ModelInfo, Thresholds
from mapt.errors import InputError
from mapt.regular_files import open_regular
from mapt.runtime.backends.protocol import Backend, Tensors, on_host
from mapt.runtime.frame import PanopticFrame, Track
from mapt.runtime.monitoring.deadline import ORDER, Estimates, Head
from mapt.runtime.persistence.packing import Arrays, pack, unpack

VERSION = 2
_LENGTH = struct.Struct("<Q")
KEPT = {**HOST_READS, "semantic": ("logits", *HOST_READS["semantic"])}
OURS = ("image", "masks_prev", "rows")  # inputs that the runtime computes


class ReplayMismatch(Exception):
    """A replayed run left its record; the text says in which frame, where and what."""


def digest(frame: PanopticFrame) -> dict[str, int]:
    """CRC-32 of each part of a frame; timings are no part of it."""
    told = {
        "tracks": [_numbers(t) for t in frame.tracks],
        "decisions": [asdict(d) for d in frame.decisions],
    }
    rest = {"overflow": frame.overflow, "degraded": frame.degraded, "alarms": frame.alarms}
    pixels = {"semantic": frame.semantic, "instance": frame.instance}
    crcs = {name: zlib.crc32(np.ascontiguousarray(a).data) for name, a in pixels.items()}
    return crcs | {
        name: zlib.crc32(json.dumps(value).encode()) for name, value in (told | rest).items()
    }


def _numbers(track: Track) -> dict[str, Any]:
    """A track without its name, which follows from the label; the first records had none."""
    return {name: value for name, value in asdict(track).items() if name != "label_name"}


def _info(info: ModelInfo) -> dict[str, Any]:
    """What a record says of a network, in one order and with one type of number."""
    limits = {
        f.name: (int if isinstance(f.default, int) else float)(getattr(info.thresholds, f.name))
        for f in fields(Thresholds)
    }
    return asdict(info) | {
        "sizes": {symbol: info.sizes[symbol] for symbol in SYMBOLS},
        "thresholds": limits,
    }


def _inputs(inputs: Mapping[str, Any]) -> dict[str, int]:
    return {
        name: zlib.crc32(np.ascontiguousarray(inputs[name]).data) for name in OURS if name in inputs
    }


class Recorder:
    """A backend that records the outputs of another one.

    Args:
        backend: the one that runs.
        file: open for writing in binary.
        association: of the tracker.
        max_objects: of the tracker.
    """

    def __init__(
        self, backend: Backend, file: BinaryIO, association: str, max_objects: int | None = None
    ) -> None:
        self.backend = backend
        self.file = file
        self.name = backend.name
        self.info = backend.info
        self.providers = backend.providers
        self._calls: list[tuple[str, dict[str, int]]] = []
        self._arrays: Arrays = {}
        meta = {
            "info": _info(backend.info),
            "association": association,
            "max_objects": max_objects,
            "providers": {n: backend.providers[n] for n in BY_NAME if n in backend.providers},
        }
        self._write(pack("RECH", VERSION, meta, {}))

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`."""
        outputs = self.backend.run(subgraph, inputs)
        count = int(on_host(outputs["count"])[0]) if subgraph == "instance" else None
        for name in KEPT[subgraph]:
            kept = on_host(outputs[name])
            self._arrays[f"{len(self._calls)}.{name}"] = kept if name == "count" else kept[:count]
        self._calls.append((subgraph, _inputs(inputs)))
        return outputs

    def begin(self, sequence: str, name: str, stamp_ns: int) -> None:
        """Begin a frame, and drop the outputs of an unfinished one."""
        self._place = {"sequence": sequence, "name": name, "stamp_ns": stamp_ns}
        self._calls = []
        self._arrays = {}

    def end(self, frame: PanopticFrame) -> None:
        """Write the labelled frame to the file."""
        meta = {
            **self._place,
            "calls": self._calls,
            "frame": digest(frame),
            "degraded": frame.degraded,
        }
        self._write(pack("RECF", VERSION, meta, self._arrays))

    def close(self) -> None:
        """Do nothing: a recorder has nothing to check at the end of a run."""

    def _write(self, blob: bytes) -> None:
        self.file.write(_LENGTH.pack(len(blob)))
        self.file.write(blob)


class RecordedChoice(Estimates):
    """Leaves out the heads that the recorded frame left out for its deadline.

    The time that is left now plays no part.
    """

    heads: tuple[Head, ...] = ()

    def left_out(self, calls: Mapping[Head, int], left_ms: float | None) -> tuple[Head, ...]:
        """See `Estimates.left_out`."""
        return tuple(head for head in self.heads if calls[head])


class Replayer:
    """A backend that answers from a record.

    It compares the inputs that it is given with the recorded ones.

    Args:
        path: written by a `Recorder`.

    Attributes:
        estimates: what the tracker leaves out: the same as then.
        providers: what ran each subgraph then.

    Raises:
        InputError: no record, or a damaged one.
    """

    name = "replay"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self.estimates = RecordedChoice()
        meta, _ = self._read("RECH")
        try:
            info = dict(meta["info"])
            thresholds = Thresholds(**info.pop("thresholds"))
            things, classes = (tuple(info.pop(key)) for key in ("things", "classes"))
            self.info = ModelInfo(**info, things=things, classes=classes, thresholds=thresholds)
            self.association = str(meta["association"])
            limit = meta.get("max_objects")  # the first records had none
            self.max_objects = None if limit is None else int(limit)
            self.providers = {str(k): str(v) for k, v in dict(meta.get("providers", {})).items()}
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = (
                str(error)
                if type(error) is ValueError
                else "something is missing or of the wrong type"
            )
            raise self._damaged(f"its header is malformed: {what}") from None
        self._frame: dict[str, Any] = {}
        self._arrays: Arrays = {}
        self._at = 0
        self._zeros: Tensors = {}

    def begin(self, sequence: str, name: str, stamp_ns: int) -> None:
        """Take the next frame of the record.

        Raises:
            Difference: it is another one, or there is none.
        """
        self._frame, self._arrays = self._read("RECF")
        self._at = 0
        place = {"sequence": sequence, "name": name, "stamp_ns": stamp_ns}
        for key, value in place.items():
            if self._frame.get(key) != value:
                raise ReplayMismatch(
                    f"{sequence} frame {name}: {key} is {value}, recorded was"
                    f" {self._frame.get(key)}"
                )
        self.estimates.heads = tuple(head for head in ORDER if head in self._frame["degraded"])

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`.

        Raises:
            Difference: another call was recorded here, or other inputs.
        """
        calls = self._frame["calls"]
        recorded, digests = calls[self._at] if self._at < len(calls) else (None, {})
        if recorded != subgraph:
            raise self._differs(f"{subgraph} is called, recorded was {recorded or 'nothing more'}")
        for name, crc in _inputs(inputs).items():
            if digests.get(name) != crc:
                raise self._differs(f"{subgraph} is given other {name}")
        outputs = {t.name: self._answer(subgraph, t.name) for t in BY_NAME[subgraph].outputs}
        self._at += 1
        return outputs

    def end(self, frame: PanopticFrame) -> None:
        """Compare the labelled frame with the recorded one.

        Raises:
            Difference: a part of it is another.
        """
        if self._at != len(self._frame["calls"]):
            raise self._differs(f"{self._frame['calls'][self._at][0]} is not called")
        changed = [
            name for name, crc in digest(frame).items() if self._frame["frame"].get(name) != crc
        ]
        if changed:
            raise self._differs(f"other {', '.join(changed)}")

    def close(self) -> None:
        """End the run.

        Raises:
            Difference: the record goes on.
        """
        if self._offset < self.path.stat().st_size:
            raise ReplayMismatch("the record goes on after the last frame")

    def _answer(self, subgraph: str, name: str) -> NDArray[Any]:
        """The recorded tensor in its full shape; zeros where it was not kept."""
        spec = next(t for t in BY_NAME[subgraph].outputs if t.name == name)
        shape = spec.resolve(self.info.sizes)
        kept = self._arrays.get(f"{self._at}.{name}")
        if kept is not None and (kept.dtype != spec.dtype or kept.ndim != len(shape)):
            raise self._damaged(f"{subgraph}'s {name} is of another type")
        if kept is not None and kept.shape == shape:
            return kept
        if kept is None and name in KEPT[subgraph]:
            raise self._damaged(f"{subgraph}'s {name} is missing")
        if kept is None:
            return self._zeros.setdefault(f"{subgraph}.{name}", np.zeros(shape, spec.dtype))
        if kept.shape[1:] != shape[1:] or len(kept) > shape[0]:
            raise self._damaged(f"{subgraph}'s {name} has another shape")
        full = np.zeros(shape, spec.dtype)
        full[: len(kept)] = kept
        return full

    def _read(self, kind: str) -> tuple[dict[str, Any], Arrays]:
        """The next blob."""
        try:
            with open_regular(self.path) as file:
                file.seek(self._offset)
                head = file.read(_LENGTH.size)
                if not head and kind == "RECF":
                    raise ReplayMismatch("the record ends before the last frame")
                length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else -1
                if not 0 <= length <= self.path.stat().st_size:
                    raise ValueError("they are truncated or something else")
                meta, arrays = unpack(kind, VERSION, file.read(length))
                self._offset = file.tell()
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be read ({error.strerror}); check the path"
            ) from None
        except ValueError as error:
            raise self._damaged(str(error)) from None
        if kind == "RECF" and not _is_frame(meta):
            raise self._damaged("a frame is malformed")
        return meta, arrays

    def _differs(self, what: str) -> ReplayMismatch:
        return ReplayMismatch(f"{self._frame['sequence']} frame {self._frame['name']}: {what}")

    def _damaged(self, what: str) -> InputError:
        return InputError(
            f"{self.path}: its bytes cannot be replayed, {what}; record the run again"
        )


def _is_frame(meta: dict[str, Any]) -> bool:
    calls = meta.get("calls")
    frame = meta.get("frame")
    meta.setdefault("degraded", [])  # the first records had none
    if (
        not isinstance(calls, list)
        or not isinstance(frame, dict)
        or not isinstance(meta["degraded"], list)
    ):
        return False
    return all(isinstance(c, list) and len(c) == 2 and isinstance(c[1], dict) for c in calls)
