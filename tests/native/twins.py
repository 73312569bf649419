"""Runs a scenario on the Python tracker and on the native one, and finds the first difference."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import BY_NAME, SUBGRAPHS, ModelInfo
from mapt.errors import InputError
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.errors import StepError
from mapt.runtime.frame import PanopticFrame
from mapt.runtime.perception import pipeline
from mapt.runtime.perception.preprocess import fit, to_input
from tests.native.scenario import Event, Scenario
from tests.native.scripted_core import NativeError, ScriptedCore, now_ns, pass_time

NAMES = [spec.name for spec in SUBGRAPHS]
MODEL = 'a "model" of Zürich \U0001f697\x7f'


class ScriptedBackend:
    """The network of a script for the Python tracker; csrc/tests/native/scripted.cpp says why."""

    name = "script"

    def __init__(self, info: ModelInfo) -> None:
        self.info = info
        self.providers = dict.fromkeys(NAMES, "script")
        self.script: Mapping[str, Any] = {}
        self.inputs: list[int] = []

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`."""
        script = self.script
        outputs: Tensors = getattr(self, f"_{subgraph}")(inputs)
        number = NAMES.index(subgraph)
        pass_time(script["costs_ns"][number])
        if script["fails"] == number:
            raise RuntimeError("it fails")
        return outputs

    def _note(self, inputs: Mapping[str, NDArray[Any]], *names: str) -> None:
        for name in names:
            self.inputs.append(zlib.crc32(np.ascontiguousarray(inputs[name]).data))

    def _backbone(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        return {
            t.name: np.zeros(t.resolve(self.info.sizes), t.dtype)
            for t in BY_NAME["backbone"].outputs
        }

    def _semantic(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        script = self.script
        return {
            "s": script["features"][None].copy(),
            "logits": script["logits"][None],
            "labels": script["labels"][None],
        }

    def _instance(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        names = ("boxes", "scores", "classes", "mask_logits", "masks8")
        return {name: self.script[name] for name in names} | {
            "count": np.array([self.script["count"]], np.int32)
        }

    def _motion(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        self._note(inputs, "s_prev", "s", "masks_prev", "masks", "boxes")
        half = np.float32(0.5)
        propagated = (inputs["masks_prev"] - half) * np.float32(20) + self.script["noise"]
        sizes = self.info.sizes
        return {
            "propagated": propagated,
            "f_p": np.zeros((sizes["N"], sizes["M"], 7, 7), np.float32),
        }

    def _appearance(self, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        self._note(inputs, "boxes", "mask_logits")
        known = {m.tobytes(): row for row, m in enumerate(self.script["mask_logits"])}
        found = np.zeros((self.info.sizes["N"], self.info.sizes["E"]), np.float32)
        for i, mask in enumerate(inputs["mask_logits"]):
            if mask.any():
                found[i] = self.script["embeddings"][known[mask.tobytes()]]
        return {"embeddings": found}


class Twins:
    """Both trackers of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.info = scenario.info
        self.backend = ScriptedBackend(scenario.info)
        self.python = PanopticTracker(
            self.backend,
            scenario.association,
            scenario.max_objects,
            MODEL,  # type: ignore[arg-type]
        )
        # Both read the time that the scripts move.
        self.python._record.now = lambda: now_ns() / 1e9
        self.native = ScriptedCore(scenario.info, scenario.association, scenario.max_objects, MODEL)
        self.saved = self.python.save_state()

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
        return self._rest()

    def _rest(self) -> str:
        now = self.python.health()
        python = (
            now.status.value, now.alarms, now.degraded, now.frames, now.refused, now.failed,
            self.python.next_id,
        )  # fmt: skip
        status, _, *counts = self.native.health()
        native = (status, *counts, self.native.next_id())
        if python != native:
            return f"health {python}, native {native}"
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


def compare(scenario: Scenario) -> str:
    """What first differs in a scenario; nothing where nothing does."""
    twins = Twins(scenario)
    real = pipeline.time
    pipeline.time = SimpleNamespace(perf_counter_ns=now_ns)  # type: ignore[assignment]
    try:
        for number, event in enumerate(scenario.events):
            difference = twins.run(event)
            if difference:
                return f"event {number} ({event.kind}): {difference}"
    finally:
        pipeline.time = real
        twins.native.close()
    return ""
