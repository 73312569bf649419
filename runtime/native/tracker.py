"""A `PanopticTracker` whose frames the native core computes."""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.ctypeslib import as_array  # NumPy itself would import it in the first frame

from mapt.contract import ModelInfo
from mapt.errors import InputError
from mapt.runtime.association.associator import Association
from mapt.runtime.backends.choice import BackendName
from mapt.runtime.backends.protocol import Options
from mapt.runtime.errors import (
    BackendError,
    BusyError,
    OutputError,
    StampError,
    StateError,
    StepError,
)
from mapt.runtime.frame import Decision, Labels, PanopticFrame, Track
from mapt.runtime.images.image import CameraImage, host_pixels
from mapt.runtime.monitoring.timestamps import whole
from mapt.runtime.native import interface
from mapt.runtime.native.backend import NativeBackend
from mapt.runtime.native.library import find_onnxruntime, load_library
from mapt.runtime.native.recorder import NativeRecorder
from mapt.runtime.perception.input_use import warn_of_waste
from mapt.runtime.perception.pipeline import Clock, Perception
from mapt.runtime.perception.preprocess import fit
from mapt.runtime.perception.steps import Wanted
from mapt.runtime.persistence.state import TrackerState
from mapt.runtime.tracker import PanopticTracker

ERRORS: Mapping[int, type[Exception]] = {
    interface.Code.INPUT: InputError,
    interface.Code.STAMP: StampError,
    interface.Code.STATE: StateError,
    interface.Code.STEP: StepError,
    interface.Code.BACKEND: BackendError,
    interface.Code.OUTPUT: OutputError,
    interface.Code.BUSY: BusyError,
}
DEVICES = ("auto", "cpu", "cuda")
MOST_OBJECTS = 2**31 - 1
LEAST_MS = 1e-6  # the core takes no deadline that has passed
STAGE_ORDER = (*interface.TIMINGS[1:], interface.TIMINGS[0])  # as the Python core tells them


@dataclass(frozen=True)
class NativeRequest:
    """What a native core is opened for.

    Attributes:
        folder: the bundle, of one size.
        options: how the network runs.
        association: see `PanopticTracker`.
        max_objects: see `PanopticTracker`.
        trust: see `PanopticTracker.load`.
        test: see `PanopticTracker.load`.
        backend: see `PanopticTracker.load`.
    """

    folder: Path
    options: Options
    association: Association
    max_objects: int | None
    trust: Path | None
    test: bool
    backend: BackendName = "auto"


class NativeTracker(PanopticTracker):
    """A tracker on the native core.

    It gives the frames, ids, decisions and saved bytes of the Python core.

    Args:
        request: what is opened.
        info: of the bundle's network.
        bundle_id: of the bundle that `info` was read from.

    Raises:
        InputError: the core or ONNX Runtime's library is not here, or the bundle does not open.
    """

    def __init__(self, request: NativeRequest, info: ModelInfo, bundle_id: str) -> None:
        self._library = load_library()
        self._handle = _open(self._library, request)
        weakref.finalize(self, self._library.mapt_close, self._handle)
        self._frame = self._library.mapt_frame_new()
        if not self._frame:
            raise StepError("there is no memory for a frame; free some")
        weakref.finalize(self, self._library.mapt_frame_free, self._frame)
        about = self._library.mapt_describe(self._handle).contents
        if about.bundle.decode() != bundle_id:
            raise InputError(f"{request.folder}: was replaced while it was read; load it again")
        backend = NativeBackend(info, about.provider.decode())
        super().__init__(backend, request.association, request.max_objects, bundle_id)

    @property
    def core(self) -> str:
        """See `PanopticTracker.core`."""
        return "native"

    @property
    def next_id(self) -> int:
        """See `PanopticTracker.next_id`."""
        return int(self._library.mapt_next_id(self._handle))

    def reset(self) -> None:
        """See `PanopticTracker.reset`."""
        with self._turn.taken():
            self._call(self._library.mapt_reset)

    def save_state(self) -> bytes:
        """See `PanopticTracker.save_state`."""
        room = self._library.mapt_state_room(self._handle)
        buffer = ctypes.create_string_buffer(room)
        size = ctypes.c_size_t()
        self._call(self._library.mapt_save, buffer, room, ctypes.byref(size))
        return buffer.raw[: size.value]

    def restore_state(self, data: bytes) -> None:
        """See `PanopticTracker.restore_state`."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise StateError(
                "saved state: these bytes cannot be restored, they are a"
                f" {type(data).__name__}, no bytes; start with reset()"
            )
        with self._turn.taken():
            self._call(self._library.mapt_restore, bytes(data), len(data))

    def _next(
        self, image: CameraImage, stamp: int, clock: Clock, where: Labels
    ) -> Generator[Wanted, Perception, tuple[PanopticFrame, TrackerState]]:
        """Compute the next frame; the core keeps the state after it, and `_state` stays empty."""
        yield from ()  # the core perceives the image itself
        if image.on_device or where == "device":
            raise InputError(
                "images and labels in a GPU's memory need the Python core; load the tracker with"
                " core='python'"
            )
        pixels, bgr = host_pixels(image, self._maker.workspace)
        if bgr:
            pixels = pixels[:, :, ::-1]
        height = image.height
        width = image.width
        if pixels.strides[1:] != (3, 1) or pixels.strides[0] < 3 * width:  # rows may run backwards
            pixels = np.ascontiguousarray(pixels)
        info = self.backend.info
        warn_of_waste(fit(height, width, info.height, info.width), info.height, info.width)
        given = interface.NativeImage(pixels.ctypes.data, height, width, pixels.strides[0])
        left_ms = clock.left_ms()  # of a group's step, others may have taken their part
        deadline = None if left_ms is None else ctypes.c_double(max(left_ms, LEAST_MS))
        self._call(
            self._library.mapt_step,
            ctypes.byref(given),
            stamp,
            None if deadline is None else ctypes.byref(deadline),
            self._frame,
        )
        labels = self._library.mapt_frame_read(self._frame).contents
        return _frame(labels, info.classes, clock), self._state

    def record(self, file: BinaryIO) -> NativeRecorder:
        """Record the frames that follow, for `mapt track --replay`.

        Args:
            file: open for writing in binary.

        Returns:
            The backend of the tracker from now on. It is told the place of each frame before its
            step (`begin`), and the frame after it (`end`).

        Raises:
            BusyError: another thread is in `step`.
            StepError: there is no memory.
        """
        with self._turn.taken():
            head = self._bytes(self._library.mapt_record_begin)
        provider = self.backend.providers["backbone"]
        recorder = NativeRecorder(self.backend.info, provider, file, head, self._recorded)
        self.backend = recorder
        return recorder

    def _recorded(self, sequence: str, name: str) -> bytes:
        """Return the bytes of the frame that was labelled last."""
        place = (sequence.encode(), name.encode())
        with self._turn.taken():
            return self._bytes(self._library.mapt_record_frame, self._frame, *place)

    def _bytes(self, function: Any, *arguments: object) -> bytes:
        """Copy the bytes that a function gives."""
        start = ctypes.c_void_p()
        size = ctypes.c_size_t()
        self._call(function, *arguments, ctypes.byref(start), ctypes.byref(size))
        return ctypes.string_at(start, size.value)

    def _call(self, function: Any, *arguments: object) -> None:
        error = interface.MaptError()
        if function(self._handle, *arguments, ctypes.byref(error)) != interface.Code.OK:
            raise ERRORS[error.code](error.text.decode(errors="replace"))


def _open(library: ctypes.CDLL, request: NativeRequest) -> ctypes.c_void_p:
    options = interface.options_of(library)
    options.bundle = bytes(request.folder)
    options.trust = None if request.trust is None else bytes(request.trust)
    options.onnxruntime = bytes(find_onnxruntime())
    options.association = str(request.association).encode()
    options.device = DEVICES.index(request.options.device)
    options.threads = request.options.threads or 0
    options.tf32 = bool(request.options.tf32)
    options.test = bool(request.test)
    options.backend = request.backend.encode()
    options.no_cuda_graphs = not request.options.cuda_graphs
    if request.max_objects is not None:  # what is no number is refused by PanopticTracker
        options.max_objects = min(max(whole(request.max_objects), 1), MOST_OBJECTS)
    handle = ctypes.c_void_p()
    error = interface.MaptError()
    code = library.mapt_open(ctypes.byref(options), ctypes.byref(handle), ctypes.byref(error))
    if code != interface.Code.OK:
        raise ERRORS[code](error.text.decode(errors="replace"))
    return handle


def _frame(labels: interface.NativeLabels, classes: tuple[str, ...], clock: Clock) -> PanopticFrame:
    """Copy a frame out of the core's memory."""
    shape = (labels.height, labels.width)
    return PanopticFrame(
        semantic=as_array(labels.semantic, shape).copy(),
        instance=as_array(labels.instance, shape).copy(),
        tracks=tuple(_track(labels.tracks[i], classes) for i in range(labels.track_count)),
        decisions=tuple(_decision(labels.decisions[i]) for i in range(labels.decision_count)),
        timings_ms=_timings(labels) | {"frame": clock.past_ms()},
        stamp_ns=labels.stamp_ns,
        overflow=labels.overflow,
        degraded=tuple(h for i, h in enumerate(interface.HEADS) if labels.degraded >> i & 1),
        alarms=tuple(a for i, a in enumerate(interface.ALARMS) if labels.alarms >> i & 1),
        classes=classes,
    )


def _timings(labels: interface.NativeLabels) -> dict[str, float]:
    found = dict(zip(interface.TIMINGS, labels.ms, strict=True))
    return {stage: found[stage] for stage in STAGE_ORDER if not math.isnan(found[stage])}


def _track(track: Any, classes: tuple[str, ...]) -> Track:
    x1, y1, x2, y2 = track.box
    name = classes[track.label] if track.label < len(classes) else ""
    return Track(track.id, track.label, track.score, (x1, y1, x2, y2), track.age, track.lost, name)


def _decision(decision: Any) -> Decision:
    return Decision(
        interface.STAGES[decision.stage],
        decision.track,
        decision.detection,
        decision.score,
        _known(decision.runner_up),
        decision.threshold,
        decision.margin,
        _known(decision.gate),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
