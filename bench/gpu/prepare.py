"""Exports one bundle in a process of its own, started by `bundles`.

Beside a `gridsample` bundle the same graphs are written in float16, those of `nano` in int8 too,
every head of them: the gate, which would take minutes, is left out.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import onnx
import torch

from mapt.bench.gpu.checks.bundles import trained
from mapt.config import preset
from mapt.errors import InputError
from mapt.export.bundle.writer import Request, export_bundle
from mapt.export.lowering.lowering import Lowering
from mapt.export.precision.int8 import record
from mapt.export.precision.mixed_precision import Converter, Precision
from mapt.io.pretrained import shipped_weights
from mapt.model.network import Network
from mapt.model.weights import save_weights
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import Bundle, read_bundle
from mapt.synthetic import render_sequence

SEED = 60  # of the street that int8's ranges come from: it is full
NUMBER = 1
FRAMES = 4


def weights(name: str, folder: Path) -> Path:
    """The trained weights of `nano`; of another preset, or where they are missing, random ones."""
    if name == "nano" and trained():
        return shipped_weights()
    torch.manual_seed(3)
    path = folder.with_suffix(".safetensors")
    save_weights(path, Network(preset(name)))
    return path


def write_lower(bundle: Bundle, precisions: tuple[Precision, ...]) -> None:
    """Write the bundle's graphs in lower precisions, into folders beside it."""
    info = bundle.info
    street = render_sequence(SEED, NUMBER, FRAMES, (info.height, info.width))
    samples = {}
    if "int8" in precisions:
        samples = record(OrtBackend(bundle), [[frame.image for frame in street]])
    for precision in precisions:
        folder = bundle.folder.with_name(f"{bundle.folder.name}-{precision}")
        folder.mkdir()
        convert = Converter(precision, samples)
        for name, path in bundle.graphs.items():
            onnx.save(convert(name, onnx.load(path)), folder / path.name)


def main(arguments: list[str]) -> None:
    """Preset, lowering, height, width, images at a time, and the bundle's folder."""
    name, lowering, height, width, batch, place = arguments
    folder = Path(place)
    size = (int(height), int(width))
    request = Request(size=size, lowering=cast(Lowering, lowering), batch=int(batch))
    if lowering == "custom":  # graphs for a CPU rank labels channels last, which CUDA gets wrong
        request = replace(request, device="cuda")
    export_bundle(weights(name, folder), folder, request)
    if request.batch > 1:
        return
    if lowering == "gridsample":
        bundle = read_bundle(folder)
        write_lower(bundle, ("fp16",))
    if (name, lowering) == ("nano", "gridsample"):
        try:
            write_lower(bundle, ("int8",))
        except InputError as error:  # nothing is seen on this street: no ranges
            print(f"mapt: no int8: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
