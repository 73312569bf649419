"""The native tracker on a scripted network, built from `csrc/runtime/core` and called by ctypes."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import math
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from mapt.contract import SYMBOLS, ModelInfo, Thresholds
from mapt.runtime.association.associator import Association
from mapt.runtime.frame import Stage
from mapt.runtime.monitoring.deadline import ORDER
from mapt.runtime.monitoring.health import Status
from mapt.runtime.monitoring.output_monitor import Alarm

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror")
# By `Code` of csrc/runtime/core/status.h.
ERRORS = (
    "", "InputError", "StampError", "StateError", "StepError", "BackendError", "OutputError",
    "BusyError",
)  # fmt: skip
TRACK = np.dtype(
    [("id", "i4"), ("label", "i4"), ("score", "f8"), ("box", "4f8"), ("age", "i8"), ("lost", "i8")]
)
DECISION = np.dtype(
    [("stage", "i4"), ("track", "i4"), ("detection", "i4"), ("", "i4")]
    + [(name, "f8") for name in ("score", "runner_up", "threshold", "margin", "gate")]
)
STAGES = (  # `Timed` of csrc/runtime/core/frame.h
    "frame", "preprocess", "backbone", "semantic", "instance", "fusion", "motion", "appearance",
    "association", "output",
)  # fmt: skip
TENSORS = (
    "pixels", "margins", "logits", "labels", "features", "boxes", "scores", "classes",
    "mask_logits", "masks8", "noise", "embeddings",
)  # fmt: skip


class Script(ctypes.Structure):
    """`Script` of csrc/tests/native/scripted.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in TENSORS),
        ("costs_ns", ctypes.c_int64 * 5),
        ("count", ctypes.c_int32),
        ("fails", ctypes.c_int32),
    )


def core() -> list[Path]:
    """The files of the core."""
    return sorted((CSRC / "runtime" / "core").glob("*.cpp"))


def compile_objects(folder: Path, files: Sequence[Path], flags: Sequence[str]) -> list[Path]:
    """Compile files that changed since the last time; the name of an object tells its content."""
    headers = sorted((CSRC / "runtime/core").glob("*.h")) + sorted(
        (CSRC / "tests/native").glob("*.h")
    )
    common = b"".join(header.read_bytes() for header in headers) + " ".join(flags).encode()
    objects = []
    for file in files:
        key = hashlib.sha256(common + file.read_bytes()).hexdigest()[:16]
        made = folder / f"{file.stem}-{key}.o"
        objects.append(made)
        if not made.is_file():
            part = made.with_suffix(f".{os.getpid()}")
            command = [os.environ.get("CXX", "c++"), *flags, "-I", str(CSRC), "-c", str(file)]
            subprocess.run([*command, "-o", str(part)], check=True)
            part.rename(made)
    return objects


def build_folder() -> Path:
    """Where objects are kept from run to run."""
    folder = ROOT / "build" / "native-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@functools.cache
def library() -> ctypes.CDLL:
    """The core's test library."""
    native = CSRC / "tests" / "native"
    files = [*core(), native / "scripted.cpp", native / "library.cpp"]
    objects = compile_objects(build_folder(), files, FLAGS)
    with tempfile.TemporaryDirectory(dir=build_folder()) as scratch:
        path = Path(scratch) / "scripted.so"
        subprocess.run(
            [os.environ.get("CXX", "c++"), "-shared", *map(str, objects), "-o", str(path)],
            check=True,
        )
        loaded = ctypes.CDLL(str(path))
    pointers = ("new", "save", "health", "message", "semantic", "instance", "tracks", "decisions",
                "inputs", "timings", "record_begin", "record_frame")  # fmt: skip
    for name in pointers:
        getattr(loaded, f"scripted_{name}").restype = ctypes.c_void_p
    for name in ("message", "health"):
        getattr(loaded, f"scripted_{name}").restype = ctypes.c_char_p
    loaded.scripted_now.restype = ctypes.c_int64
    return loaded


def now_ns() -> int:
    """The time that only scripts move."""
    time: int = library().scripted_now()
    return time


def pass_time(ns: int) -> None:
    """Move that time on."""
    library().scripted_pass(ctypes.c_int64(ns))


class NativeError(Exception):
    """What the native tracker refused, under the name that Python's error has."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class ScriptedCore:
    """The native tracker with its scripted network.

    Args:
        info: of the network.
        association: as `PanopticTracker` takes it.
        max_objects: likewise.
        model: likewise.
        timed: stages are timed by what the thread computes, not by the time that scripts move.
    """

    def __init__(
        self,
        info: ModelInfo,
        association: str,
        max_objects: int | None,
        model: str,
        timed: bool = False,
    ) -> None:
        self.library = library()
        sizes = np.array([info.sizes[symbol] for symbol in SYMBOLS], np.int32)
        things = np.array(info.things, np.int32)
        limits = np.array([getattr(info.thresholds, f.name) for f in fields(Thresholds)])
        self._self = ctypes.c_void_p(
            self.library.scripted_new(
                sizes.ctypes.data_as(ctypes.c_void_p),
                things.ctypes.data_as(ctypes.c_void_p),
                len(things),
                limits.ctypes.data_as(ctypes.c_void_p),
                get_args(Association).index(association),
                max_objects or 0,
                model.encode(),
                int(timed),
            )
        )
        self.size = (0, 0)

    def close(self) -> None:
        """Free its memory."""
        self.library.scripted_delete(self._self)

    def step(
        self,
        script: Mapping[str, Any],
        size: tuple[int, int],
        stamp_ns: int,
        deadline_ms: float | None,
    ) -> None:
        """Label a frame; raises NativeError."""
        values = Script(
            *(script[name].ctypes.data for name in TENSORS),
            (ctypes.c_int64 * 5)(*script["costs_ns"]),
            script["count"],
            script["fails"],
        )
        code = self.library.scripted_step(
            self._self,
            ctypes.byref(values),
            *size,
            ctypes.c_int64(stamp_ns),
            ctypes.c_double(np.nan if deadline_ms is None else deadline_ms),
        )
        self._must(code)
        self.size = size

    def _must(self, code: int) -> None:
        if code:
            raise NativeError(ERRORS[code], self.library.scripted_message(self._self).decode())

    def _array(self, name: str, dtype: Any, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
        count = ctypes.c_int64()
        call = getattr(self.library, f"scripted_{name}")
        at = call(self._self) if shape else call(self._self, ctypes.byref(count))
        kind = np.dtype(dtype)
        full = shape or (count.value,)
        return np.frombuffer(
            ctypes.string_at(at, int(np.prod(full)) * kind.itemsize), kind
        ).reshape(full)

    def frame(self) -> dict[str, Any]:
        """The last frame, in the form of `told` in twins.py."""
        numbers = (ctypes.c_int64 * 4)()
        self.library.scripted_numbers(self._self, numbers)
        overflow, degraded, alarms, _ = numbers
        decisions = [
            (get_args(Stage)[d["stage"]], *(_plain(v) for v in d.tolist()[1:3] + d.tolist()[4:]))
            for d in self._array("decisions", DECISION)
        ]
        return {
            "decisions": decisions,
            "tracks": [
                (*t.tolist()[:3], *t["box"].tolist(), *t.tolist()[4:])
                for t in self._array("tracks", TRACK)
            ],
            "overflow": overflow,
            "degraded": tuple(h for i, h in enumerate(ORDER) if degraded >> i & 1),
            "alarms": tuple(a for i, a in enumerate(get_args(Alarm)) if alarms >> i & 1),
            "inputs": self._array("inputs", np.uint32).tolist(),
            "semantic": self._array("semantic", np.uint8, self.size),
            "instance": self._array("instance", np.int32, self.size),
        }  # fmt: skip

    def next_id(self) -> int:
        """The id that the next new track gets."""
        numbers = (ctypes.c_int64 * 4)()
        self.library.scripted_numbers(self._self, numbers)
        return numbers[3]

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds of the last frame by stage."""
        values = self._array("timings", np.float64, (len(STAGES),))
        return {
            name: ms for name, ms in zip(STAGES, values.tolist(), strict=True) if not math.isnan(ms)
        }

    def reset(self) -> None:
        """Forget all tracks."""
        self._must(self.library.scripted_reset(self._self))

    def save(self) -> bytes:
        """The state's bytes."""
        size = ctypes.c_int64()
        at = self.library.scripted_save(self._self, ctypes.byref(size))
        return ctypes.string_at(at, size.value)

    def record_begin(self) -> bytes:
        """The first bytes of a record."""
        size = ctypes.c_int64()
        at = self.library.scripted_record_begin(self._self, ctypes.byref(size))
        return ctypes.string_at(at, size.value)

    def record_frame(self, sequence: str, name: str) -> bytes | None:
        """The last frame's bytes of a record; None where the last step labelled none."""
        size = ctypes.c_int64()
        at = self.library.scripted_record_frame(
            self._self, sequence.encode(), name.encode(), ctypes.byref(size)
        )
        return ctypes.string_at(at, size.value) if at else None

    def restore(self, data: bytes) -> None:
        """Go on from bytes; raises NativeError."""
        self._must(self.library.scripted_restore(self._self, data, ctypes.c_int64(len(data))))

    def health(self) -> tuple[Any, ...]:
        """Status, reason, alarms, degraded, frames, refused and failed."""
        numbers = (ctypes.c_int64 * 6)()
        ms = (ctypes.c_double * 2)()
        reason = self.library.scripted_health(self._self, numbers, ms).decode()
        status, alarms, degraded, *counts = numbers
        return (
            list(Status)[status].value,
            reason,
            tuple(a for i, a in enumerate(get_args(Alarm)) if alarms >> i & 1),
            tuple(h for i, h in enumerate(ORDER) if degraded >> i & 1),
            *counts,
        )


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
