"""Runs a scenario on the Python tracker and on the native one, and finds the first difference."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from mapt.bench.native.scripted_backend import ScriptedBackend
from mapt.bench.native.scripted_core import NativeError, ScriptedCore, now_ns, pass_time
from mapt.errors import InputError
from mapt.runtime import PanopticTracker
from mapt.runtime.errors import StepError
from mapt.runtime.frame import PanopticFrame
from mapt.runtime.perception import pipeline
from mapt.runtime.perception.preprocess import fit, to_input
from mapt.runtime.persistence.recording import Recorder
from tests.native.scenario import Event, Scenario

LABELLED = ("OK", "DEGRADED", "LATE")  # others tell an error in the backend's own words
SEQUENCE = 'a "street"'
MODEL = 'a "model" of Zürich \U0001f697\x7f'


class Twins:
    """Both trackers of a scenario.

    Args:
        scenario: what they live through.
        record: both record their frames.
    """

    def __init__(self, scenario: Scenario, record: bool = False) -> None:
        self.info = scenario.info
        self.backend = ScriptedBackend(scenario.info, pass_time)
        self.file = io.BytesIO()
        limits = (scenario.association, scenario.max_objects)
        self.recorder = Recorder(self.backend, self.file, *limits) if record else None
        self.python = PanopticTracker(
            self.recorder or self.backend,
            scenario.association,
            scenario.max_objects,
            MODEL,
        )
        # Both read the time that the scripts move.
        self.python._record.now = lambda: now_ns() / 1e9
        self.native = ScriptedCore(scenario.info, scenario.association, scenario.max_objects, MODEL)
        self.saved = self.python.save_state()
        self.record = self.native.record_begin() if record else b""

    def run(self, event: Event) -> str:
        """Let both go on; what differs, or nothing."""
        if event.kind == "step":
            return self._step(event)
        if event.kind == "save":
            self.saved = self.python.save_state()
            return "" if self.native.save() == self.saved else "other saved bytes"
        if event.kind == "reset":
            self.python.reset()
            self.native.reset()
        if event.kind == "restore":
            self.python.restore_state(self.saved)
            self.native.restore(self.saved)
        return ""

    def _step(self, event: Event) -> str:
        script = event.script
        image = event.image
        assert script is not None and image is not None
        inputs = image.shape[0], image.shape[1]
        letterbox = fit(*inputs, self.info.height, self.info.width)
        pixels = to_input(image, letterbox, self.info.height, self.info.width)
        self.backend.script = script
        self.backend.inputs = []
        frame: PanopticFrame | None = None
        errors = ["", ""]
        texts = ["", ""]
        place = (SEQUENCE, str(event.stamp_ns))
        if self.recorder:
            self.recorder.begin(*place, event.stamp_ns)
        try:
            frame = self.python.step(image, event.stamp_ns, event.deadline_ms)
        except (InputError, StepError) as error:
            errors[0] = type(error).__name__
            texts[0] = str(error)
        try:
            self.native.step(
                {**script, "pixels": pixels}, inputs, event.stamp_ns, event.deadline_ms
            )
        except NativeError as error:
            errors[1] = error.name
            texts[1] = str(error)
        if errors[0] != errors[1] or (errors[0] == "StampError" and texts[0] != texts[1]):
            return f"error {errors[0]} {texts[0]!r}, native {errors[1]} {texts[1]!r}"
        if frame is not None:
            difference = first_difference(told(frame, self.backend.inputs), self.native.frame())
            if difference:
                return difference
        if self.recorder:
            if frame is not None:
                self.recorder.end(frame)
            self.record += self.native.record_frame(*place) or b""
            if self.record != self.file.getvalue():
                return "other bytes of the record"
        return self._rest()

    def _rest(self) -> str:
        now = self.python.health()
        python = (
            now.status.value, now.alarms, now.degraded, now.frames, now.refused, now.failed,
            self.python.next_id,
        )  # fmt: skip
        status, reason, *counts = self.native.health()
        native = (status, *counts, self.native.next_id())
        if python != native:
            return f"health {python}, native {native}"
        if status in LABELLED and reason != now.reason:
            return f"health {now.reason!r}, native {reason!r}"
        return "" if self.native.save() == self.python.save_state() else "other state bytes"


def told(frame: PanopticFrame, inputs: list[int]) -> dict[str, Any]:
    """A frame as plain values, decisions first."""
    return {
        "decisions": [tuple(vars(d).values()) for d in frame.decisions],
        "tracks": [(t.id, t.label, t.score, *t.box, t.age, t.lost) for t in frame.tracks],
        "overflow": frame.overflow, "degraded": frame.degraded, "alarms": frame.alarms,
        "inputs": inputs, "semantic": frame.semantic, "instance": frame.instance,
    }  # fmt: skip


def first_difference(python: Mapping[str, Any], native: Mapping[str, Any]) -> str:
    """The first decision, track or pixel that differs; nothing where none does."""
    for name, wanted in python.items():
        found = native[name]
        if isinstance(wanted, np.ndarray):
            if not np.array_equal(wanted, found):
                place = tuple(int(i) for i in np.argwhere(wanted != found)[0])
                return f"{name} at {place}: {wanted[place]}, native {found[place]}"
        elif isinstance(wanted, list):
            for number in range(max(len(wanted), len(found))):
                pair = [v[number] if number < len(v) else None for v in (wanted, found)]
                if pair[0] != pair[1]:
                    return f"{name}[{number}]: {pair[0]}, native {pair[1]}"
        elif wanted != found:
            return f"{name}: {wanted}, native {found}"
    return ""


@contextmanager
def playing(twins: Twins) -> Iterator[None]:
    """Let both trackers read the time that the scripts move, and free the native one at the end."""
    real = vars(pipeline)["time"]
    vars(pipeline)["time"] = SimpleNamespace(perf_counter_ns=now_ns)
    try:
        yield
    finally:
        vars(pipeline)["time"] = real
        twins.native.close()


def compare(scenario: Scenario, record: bool = False) -> str:
    """What first differs in a scenario; nothing where nothing does."""
    twins = Twins(scenario, record)
    with playing(twins):
        for number, event in enumerate(scenario.events):
            difference = twins.run(event)
            if difference:
                return f"event {number} ({event.kind}): {difference}"
    return ""
