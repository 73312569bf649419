"""The bundles that the checks run, exported side by side when they are first needed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mapt.bench.gpu.context import Context, Result
from mapt.errors import InputError
from mapt.io.pretrained import shipped_weights
from mapt.runtime.bundle.manifest import MANIFEST, Bundle, read_bundle

SEED = 5  # of the streets that are shown


@dataclass(frozen=True)
class Kind:
    """A bundle: a preset in a lowering, and perhaps in a lower precision without the gate.

    Attributes:
        preset: of the network.
        lowering: how operators are written.
        precision: number format of every head.
        batch: images that its frame graphs take at a time; others than 1 in fp32 only.
    """

    preset: str
    lowering: str
    precision: str = "fp32"
    batch: int = 1

    @property
    def name(self) -> str:
        """The name of the bundle in results."""
        lower = "" if self.precision == "fp32" else f"-{self.precision}"
        several = "" if self.batch == 1 else f"-batch{self.batch}"
        return f"{self.preset}-{self.lowering}{lower}{several}"


KINDS = (
    Kind("nano", "standard"), Kind("nano", "gridsample"), Kind("nano", "custom"),
    Kind("nano", "gridsample", "fp16"), Kind("nano", "gridsample", "int8"),
    Kind("small", "gridsample"), Kind("small", "gridsample", "fp16"),
    Kind("base", "gridsample"), Kind("base", "gridsample", "fp16"),
)  # fmt: skip
# For groups of cameras alone: no tracker of one camera opens them.
BATCHED = (Kind("nano", "gridsample", batch=8), Kind("small", "gridsample", batch=8))


def kinds(context: Context, listed: Sequence[Kind]) -> tuple[Kind, ...]:
    """Those of a list that this run has.

    A small one leaves out `base` and `small`, which take a CPU long, and int8: its ranges come from
    detections, and so small a picture has none.
    """
    left_out = ("base", "small", "int8") if context.small else ()
    return tuple(k for k in listed if k.preset not in left_out and k.precision not in left_out)


def ready(
    context: Context, listed: Sequence[Kind] | None = None
) -> tuple[dict[str, Bundle], tuple[str, ...]]:
    """Bundles by name, exported if need be, and a line for each that could not be.

    Args:
        context: where, and how small.
        listed: their kinds; None: `KINDS`.
    """
    height, width = context.size()
    wanted = kinds(context, KINDS if listed is None else listed)
    started: dict[str, subprocess.Popen[bytes]] = {}
    for kind in wanted:
        place = folder(context, kind)
        printed = place.with_suffix(".log")  # there once it was tried: what failed would fail again
        if kind.precision == "fp32" and not (place / MANIFEST).is_file() and not printed.exists():
            command = [sys.executable, "-m", "mapt.bench.gpu.prepare", kind.preset, kind.lowering]
            command += [str(height), str(width), str(kind.batch), str(place)]
            with printed.open("wb") as log:
                started[kind.name] = subprocess.Popen(command, stdout=log, stderr=log)
    for process in started.values():
        process.wait()
    found = dict[str, Bundle]()
    faults = list[str]()
    for kind in wanted:
        try:
            found[kind.name] = _read(context, kind)
        except (InputError, OSError) as error:
            printed = folder(context, kind).with_suffix(".log")
            lines = printed.read_text().splitlines() if printed.is_file() else []
            faults.append(f"{kind.name}: {lines[-1] if lines else error}")
    return found, tuple(faults)


def folder(context: Context, kind: Kind) -> Path:
    """Where a kind's float32 bundle lies; a lower precision's graphs lie in it."""
    return context.folder / replace(kind, precision="fp32").name


def _read(context: Context, kind: Kind) -> Bundle:
    bundle = read_bundle(folder(context, kind), batched=kind.batch > 1)
    if kind.precision == "fp32":
        return bundle
    lower = bundle.folder.with_name(f"{bundle.folder.name}-{kind.precision}")
    graphs = {name: lower / path.name for name, path in bundle.graphs.items()}
    for path in graphs.values():
        path.stat()
    precisions = dict.fromkeys(graphs, kind.precision)
    return replace(bundle, graphs=graphs, precision=kind.precision, precisions=precisions)


def trained() -> bool:
    """Tell whether there are trained weights of `nano`.

    Without them its identities mean nothing.
    """
    try:
        shipped_weights()
    except InputError:
        return False
    return True


def street(context: Context, frames: int) -> Iterator[NDArray[np.uint8]]:
    """Images (H,W,3) uint8 of a synthetic street at the network's size."""
    from mapt.synthetic import render_sequence

    return (f.image for f in render_sequence(SEED, 0, frames, context.size()))


def export(context: Context) -> Result:
    """Export every kind of bundle, as a user does."""
    begin = time.perf_counter()
    found, faults = ready(context, (*KINDS, *BATCHED))
    values = {name: {"id": b.id, "precision": b.precision} for name, b in found.items()}
    weights = "trained nano" if trained() else "random weights"
    line = f"{len(found)} kinds exported in {time.perf_counter() - begin:.0f} s, {weights}"
    return Result(line, values, faults)
