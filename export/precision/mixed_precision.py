"""Lowers a bundle's graphs to float16 or int8 as far as the accuracy gate allows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from mapt.contract import ModelInfo
from mapt.errors import InputError
from mapt.evaluation.evaluate import choose_sequences, evaluate
from mapt.export.precision.accuracy_gate import LIMITS, Score, Verdict, judge
from mapt.export.precision.fp16 import to_half
from mapt.export.precision.int8 import quantize, record
from mapt.io.sources.folders import FolderSource, open_sources
from mapt.io.sources.frame import Source
from mapt.model.class_names import check_streets
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend, Tensors
from mapt.runtime.bundle.manifest import Bundle
from mapt.synthetic import render_sequence, write_dataset

Precision = Literal["fp32", "fp16", "int8"]
CALIBRATION_SEED = 60  # nothing else uses these streets
GATE_SEED = 61
SPLIT = "val"
CALIBRATION = (6, 8)  # sequences and frames where no others are given
GATE = (3, 40)


@dataclass(frozen=True)
class Frames:
    """The frames for the calibration and for the accuracy gate.

    Attributes:
        calibrate: a folder of frames, or of folders of frames; None: synthetic streets.
        gate: labelled frames in KITTI-STEP's layout, split `val`; None: synthetic streets.
    """

    calibrate: Path | None = None
    gate: Path | None = None

    def check(self, info: ModelInfo) -> None:
        """Look for the frames, before the network is traced and lowered.

        Raises:
            InputError: a folder or image is missing, or the network has other classes than the
                synthetic streets that stand in for `gate`.
        """
        if self.calibrate:
            open_sources(self.calibrate)
        if self.gate:
            choose_sequences(self.gate, SPLIT, ())
        else:
            check_streets(info, "--gate")

    def described(self) -> str:
        """The gate's frames in words, without a path."""
        return (
            "given"
            if self.gate
            else f"synthetic streets, seed {GATE_SEED}, {GATE[0]} x {GATE[1]} frames"
        )


class Converter:
    """Makes lower-precision copies of finished graphs of one network.

    Args:
        precision: "fp16" or "int8".
        samples: inputs of every subgraph, for int8's ranges.
    """

    def __init__(self, precision: Precision, samples: dict[str, list[Tensors]]) -> None:
        self.precision = precision
        self.samples = samples

    def __call__(
        self, name: str, model: onnx.ModelProto, symmetric: bool = False
    ) -> onnx.ModelProto:
        """Return the graph of a subgraph in this precision.

        For `symmetric` see `mapt.export.precision.int8.quantize`.
        """
        if self.precision == "int8":
            return quantize(model, self.samples[name], symmetric)
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        to_half(copy)
        onnx.checker.check_model(copy, full_check=True)
        return copy


@dataclass(frozen=True)
class Lowered:
    """The result of lowering a bundle's precision.

    Attributes:
        convert: makes further copies, for engines.
        verdict: the heads that passed, and every trial.
        ms: median milliseconds of each subgraph, in float32 and in the lower precision, on this
            machine.
    """

    convert: Converter
    verdict: Verdict
    ms: dict[str, tuple[float, float]]


def lower_precision(
    bundle: Bundle,
    precision: Precision,
    frames: Frames,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Lowered:
    """Replace the bundle's float32 graphs by lower-precision ones where the gate lets them pass.

    Args:
        bundle: in float32; its files are overwritten.
        precision: "fp16" or "int8".
        frames: for calibration and the gate.
        on_progress: called with the name of each trial.

    Raises:
        InputError: frames that cannot be read, or without labelled objects.
    """
    backend = OrtBackend(bundle)
    samples = record(backend, _calibration(bundle.info, frames.calibrate))
    convert = Converter(precision, samples)
    with tempfile.TemporaryDirectory() as scratch:
        lowered = {}
        for name, path in bundle.graphs.items():
            lowered[name] = Path(scratch, path.name)
            onnx.save(convert(name, onnx.load(path)), lowered[name])
        root = frames.gate or _streets(Path(scratch, "gate"), bundle.info)

        def score(heads: tuple[str, ...]) -> Score:
            graphs = {n: lowered[n] if n in heads else path for n, path in bundle.graphs.items()}
            found = evaluate(OrtBackend(replace(bundle, graphs=graphs)), root, SPLIT).dataset
            if found.PAT is None or found.TQ is None:
                raise InputError(
                    f"{root}: shows no labelled object; give labelled frames with --gate"
                )
            return Score(found.PAT, found.TQ, found.IDS)

        ms = _time(backend, OrtBackend(replace(bundle, graphs=lowered)), samples)
        verdict = judge(lowered, score, LIMITS[precision], lambda trial: on_progress(trial.name))
        for name in verdict.kept:
            bundle.graphs[name].write_bytes(lowered[name].read_bytes())
    return Lowered(convert, verdict, ms)


def _time(
    full: Backend, lower: Backend, samples: dict[str, list[Tensors]]
) -> dict[str, tuple[float, float]]:
    """Return the median milliseconds of each subgraph on both backends, run in turn."""
    ms = {}
    for name, inputs in samples.items():
        taken: tuple[list[float], list[float]] = [], []
        for tensors in inputs:
            for backend, seconds in zip((full, lower), taken, strict=True):
                start = time.perf_counter()
                backend.run(name, tensors)
                seconds.append(time.perf_counter() - start)
        ms[name] = float(np.median(taken[0])) * 1e3, float(np.median(taken[1])) * 1e3
    return ms


def report(verdict: Verdict, precision: Precision, frames: Frames) -> dict[str, Any]:
    """Return the gate's report as plain values, without paths."""
    return {
        "precision": precision,
        "limit": LIMITS[precision],
        "frames": frames.described(),
        "calibration": (
            "given" if frames.calibrate else f"synthetic streets, seed {CALIBRATION_SEED}"
        ),
        "kept": list(verdict.kept),
        "returned": verdict.returned,
        "trials": [
            {"heads": list(t.heads), **asdict(t.score), "faults": list(t.faults)}
            for t in verdict.trials
        ],
    }


def _calibration(info: ModelInfo, folder: Path | None) -> Iterator[Iterable[NDArray[np.uint8]]]:
    """Select sequences of consecutive frames, spread over all available frames."""
    runs, frames = CALIBRATION
    if folder is None:
        size = (info.height, info.width)
        for number in range(runs):
            yield (frame.image for frame in render_sequence(CALIBRATION_SEED, number, frames, size))
        return
    sources = open_sources(folder)
    for source in sources[:: -(-len(sources) // runs)]:
        each = -(-runs // len(sources))
        starts = sorted({int(at) for at in np.linspace(0, max(0, len(source) - frames), each)})
        yield from (_run(source, start, frames) for start in starts)


def _run(source: Source, start: int, frames: int) -> Iterator[NDArray[np.uint8]]:
    if isinstance(source, FolderSource):
        source = replace(source, files=source.files[start : start + frames])
        start = 0
    return (frame.image for frame in islice(source, start, start + frames))


def _streets(folder: Path, info: ModelInfo) -> Path:
    write_dataset(folder, *GATE, (info.height, info.width), GATE_SEED)
    return folder
