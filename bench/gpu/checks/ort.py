"""Every kind of bundle on ONNX Runtime: the device beside the CPU, through the host or bound.

Nothing here imports PyTorch, so that CUDA's libraries have to be found as they are by a user of the
runtime alone.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.bench.gpu.adapter import (
    PROVIDERS,
    BoundSession,
    HostBackend,
    misplaced,
    open_backend,
    operator_providers,
    placed,
)
from mapt.bench.gpu.checks.bundles import ready, street
from mapt.bench.gpu.context import Context, Device, Result
from mapt.contract import SUBGRAPHS
from mapt.runtime import PanopticFrame, PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend, Tensors, all_on_host, on_host
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.perception.self_test import TOLERANCE, difference, run_golden

FLOAT32 = (
    5e-4  # largest difference of float32 on two devices, as a share of a tensor's largest value
)
INTERVAL = 100_000_000  # nanoseconds between frames
ROUNDED = 1e-4  # share of the pixels whose best classes may lie so close that rounding decides


class OutputRecorder:
    """A backend that keeps the last inputs and outputs of each subgraph."""

    name = "ort"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.info = backend.info
        self.providers: Any = getattr(backend, "providers", {})
        self.inputs: dict[str, Tensors] = {}
        self.outputs: dict[str, Tensors] = {}

    def run(self, subgraph: str, inputs: Any) -> Tensors:
        """See `Backend.run`."""
        self.inputs[subgraph] = {name: np.array(on_host(a)) for name, a in inputs.items()}
        self.outputs[subgraph] = all_on_host(self.backend.run(subgraph, inputs))
        return self.outputs[subgraph]


def recorded(bundle: Bundle, device: Device, image: NDArray[np.uint8]) -> OutputRecorder:
    """A run of every subgraph on one picture."""
    recorder = OutputRecorder(HostBackend(open_backend(bundle, device, plain=True)))
    run_golden(recorder, image[None])
    return recorder


def host_binding(context: Context) -> Result:
    """IoBinding on the CPU gives what a plain run gives."""
    found, faults = ready(context)
    (image,) = street(context, 1)
    told = list(faults)
    for name, bundle in found.items():
        run = recorded(bundle, "cpu", image)
        sessions = run.backend.sessions  # type: ignore[attr-defined]
        for spec in SUBGRAPHS:
            bound = BoundSession(sessions[spec.name], run.inputs[spec.name], "cpu")
            bound.run()
            for tensor, got in bound.outputs().items():
                if not np.array_equal(got, run.outputs[spec.name][tensor], equal_nan=True):
                    told.append(f"{name}: {spec.name}.{tensor} differs from that of a plain run")
    return Result(f"{len(found)} kinds of bundle", {"kinds": list(found)}, tuple(told))


def operator_library(context: Context) -> Result:
    """For which of ONNX Runtime's providers the custom operators are registered."""
    name, version, known = operator_providers()
    line = f"{name}, version {version}: {', '.join(known)}"
    want = PROVIDERS[context.device]
    faults = (
        (f"not for {want}: built without nvcc?",)
        if context.device == "cuda" and want not in known
        else ()
    )
    return Result(line, {"providers": list(known), "version": version}, faults)


def providers(context: Context) -> Result:
    """Every kind comes up in a process that never imported PyTorch, and passes its own test."""
    found, faults = ready(context)
    values = dict[str, object]()
    told = list(faults)
    if "torch" in sys.modules:
        told.append("PyTorch was imported, whose libraries may have helped")
    for name, bundle in found.items():
        try:
            backend = open_backend(bundle, context.device)
            run_golden(backend, next(street(context, 1))[None])
            if bundle.precision == "fp32":
                PanopticTracker.load(bundle.folder, backend="ort")  # compares the golden picture
        except Exception as error:  # the next kind may come up
            told.append(f"{name}: {error}")
            continue
        values[name] = placed(backend)
        told += [f"{name}: {line}" for line in misplaced(backend, context.device)]
    return Result(f"{len(values)} of {len(found)} kinds run", values, tuple(told))


def tensors(context: Context) -> Result:
    """All outputs of all subgraphs beside the CPU's, in float32 and with TF32."""
    found, faults = ready(context)
    (image,) = street(context, 1)
    values = dict[str, Any]()
    told = list(faults)
    rows = list[str]()
    for name, bundle in found.items():
        want, given = run_golden(open_backend(bundle, "cpu"), image[None])
        for tf32 in (False, True):
            try:
                got, _ = run_golden(open_backend(bundle, context.device, tf32), image[None], given)
            except Exception as error:  # the next kind may run
                told.append(f"{name}: {error}")
                break
            apart = {tensor: difference(want[tensor], got[tensor]) for tensor in want}
            worst = max(apart, key=lambda tensor: apart[tensor])
            mode = "tf32" if tf32 else "float32"
            values.setdefault(name, {})[mode] = apart
            rows.append(f"{name:22} {mode:8} {worst:24} {apart[worst]:.1e}")
            limit = FLOAT32 if bundle.precision == "fp32" else TOLERANCE[bundle.precision]
            if not tf32 and not apart[worst] <= limit:
                told.append(f"{name}: {worst} differs by {apart[worst]:.1e}, at most {limit:.0e}")
    line = f"{len(values)} of {len(found)} kinds beside the CPU's, float32 and TF32"
    return Result(line, values, tuple(told), tuple(rows))


def track(backend: Backend, images: list[NDArray[np.uint8]]) -> list[PanopticFrame]:
    """The frames of a tracker on a backend."""
    tracker = PanopticTracker(backend)
    return [tracker.step(image, i * INTERVAL) for i, image in enumerate(images)]


def compare(want: list[PanopticFrame], got: list[PanopticFrame]) -> dict[str, float]:
    """Frames with the same tracks; shares of the pixels whose label or id differs; tracks seen."""
    pairs = list(zip(want, got, strict=True))
    same = sum(
        [(t.id, t.label) for t in a.tracks] == [(t.id, t.label) for t in b.tracks] for a, b in pairs
    )
    return {
        "frames": len(pairs),
        "same_tracks": same,
        "labels_differ": float(np.mean([(a.semantic != b.semantic).mean() for a, b in pairs])),
        "ids_differ": float(np.mean([(a.instance != b.instance).mean() for a, b in pairs])),
        "tracks": len({t.id for frame in want for t in frame.tracks}),
    }


def judged(
    name: str, found: dict[str, float], context: Context, whose: str = "the CPU's"
) -> list[str]:
    """List the differences that are faults in float32.

    Args:
        name: of what was compared.
        found: by `compare`.
        context: where.
        whose: tracks are wanted.
    """
    faults = []
    if not found["tracks"] and not context.small:
        faults.append(f"{name}: nothing was tracked, so that equal ids mean nothing")
    if found["same_tracks"] != found["frames"]:
        faults.append(
            f"{name}: {found['same_tracks']} of {found['frames']} frames have {whose} tracks"
        )
    if found["labels_differ"] > ROUNDED or found["ids_differ"] > ROUNDED:
        labels = found["labels_differ"]
        ids = found["ids_differ"]
        faults.append(f"{name}: {labels:.1e} of the labels and {ids:.1e} of the ids differ")
    return faults


def frames(context: Context) -> Result:
    """Labels and ids of every kind of `nano` beside the CPU's, on a synthetic street."""
    found, faults = ready(context)
    images = list(street(context, 2 if context.small else 10))
    values = dict[str, Any]()
    told = list(faults)
    for name, bundle in found.items():
        if bundle.info.preset != "nano":
            continue
        want = track(open_backend(bundle, "cpu"), images)
        for tf32 in (False, True):
            try:
                got = track(open_backend(bundle, context.device, tf32), images)
            except Exception as error:  # the next kind may run
                told.append(f"{name}: {error}")
                break
            key = f"{name} {'tf32' if tf32 else 'float32'}"
            values[key] = compare(want, got)
            if not tf32 and bundle.precision == "fp32":
                told += judged(name, values[key], context)
    same = sum(v["same_tracks"] == v["frames"] for v in values.values())
    line = f"{same} of {len(values)} kinds, TF32 among them, have the CPU's tracks in every frame"
    return Result(line, values, tuple(told))


def speed(context: Context) -> Result:
    """Milliseconds of each subgraph with arrays on the host, and on the device; of a frame."""
    found, faults = ready(context)
    images = list(street(context, 2 if context.small else 8))
    values = dict[str, Any]()
    told = list(faults)
    head = " ".join(f"{spec.name:>10}" for spec in SUBGRAPHS)
    rows = [f"{'milliseconds':36} {head} {'sum':>6} {'frame':>6}"]
    for name, bundle in found.items():
        for tf32 in (False, True) if bundle.precision == "fp32" else (False,):
            key = f"{name} {'tf32' if tf32 else 'float32'}"
            try:
                values[key] = measured(bundle, context, tf32, images)
            except Exception as error:  # the next kind may run
                told.append(f"{key}: {error}")
                break
            for way in ("host", "device"):
                ms = values[key][way]
                frame = f" {values[key]['frame']:6.1f}" if way == "host" else ""
                cells = " ".join(f"{ms[spec.name]:10.2f}" for spec in SUBGRAPHS)
                rows.append(f"{key:29} {way:6} {cells} {sum(ms.values()):6.1f}{frame}")
    best = {k: sum(v["device"].values()) for k, v in values.items() if k.endswith("float32")}
    line = ", ".join(f"{k.removesuffix(' float32')} {ms:.1f}" for k, ms in best.items())
    return Result(f"ms of the networks on the device: {line}", values, tuple(told), tuple(rows))


def measured(
    bundle: Bundle, context: Context, tf32: bool, images: list[NDArray[np.uint8]]
) -> dict[str, Any]:
    """Medians of one bundle."""
    backend = open_backend(bundle, context.device, tf32, plain=True)
    run = OutputRecorder(HostBackend(backend))
    run_golden(run, images[0][None])
    host = {
        spec.name: median_ms(partial(run.backend.run, spec.name, run.inputs[spec.name]), context)
        for spec in SUBGRAPHS
    }
    device = on_device(backend, run.inputs, context)
    steps = [
        f.timings_ms["frame"] for f in track(open_backend(bundle, context.device, tf32), images)
    ]
    return {"host": host, "device": device, "frame": statistics.median(steps[len(steps) // 2 :])}


def on_device(
    backend: OrtBackend, inputs: Mapping[str, Tensors], context: Context
) -> dict[str, float]:
    """Median milliseconds of each subgraph whose inputs and outputs stay on the device."""
    return {
        name: median_ms(BoundSession(session, inputs[name], context.device).run, context)
        for name, session in backend.sessions.items()
    }


def median_ms(call: Callable[[], object], context: Context) -> float:
    """The median time of a call, which waits for the device itself."""
    if not context.small:
        for _ in range(3):
            call()
    taken = []
    for _ in range(context.rounds()):
        begin = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(taken)
