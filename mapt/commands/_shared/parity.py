"""Runs the parity ladder for `mapt export --verify` and `mapt bench --suite parity`."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from mapt.bench.parity.clips import FrameSequence
from mapt.bench.parity.measure import run_parity
from mapt.bench.parity.report import parity_json, print_parity
from mapt.evaluation.reference import load_reference
from mapt.evaluation.torch_backend import TorchBackend
from mapt.io.atomic_files import write_json
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import Bundle


def verify_bundle(
    console: Console,
    bundle: Bundle,
    clips: list[FrameSequence],
    threads: int | None = None,
    json_file: Path | None = None,
) -> None:
    """Compare a bundle with the weights inside it on clips, print and write what was found.

    Raises:
        InputError: a graph that does not load, or a frame that cannot be read.
        RuntimeError: a float32 head or the ids differ, or a lower precision costs more than its
            gate allows.
    """
    reference = TorchBackend(load_reference(bundle))
    if threads is not None:
        torch.set_num_threads(threads)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("comparing", total=sum(len(clip) for clip in clips))
        parity = run_parity(
            reference,
            OrtBackend(bundle, threads),
            bundle.precisions,
            clips,
            lambda: progress.advance(task),
        )
    print_parity(console, parity)
    if json_file:
        write_json(json_file, {"bundle": bundle.id, **parity_json(parity)})
    faults = parity.faults()
    if faults:
        raise RuntimeError(
            f"{bundle.folder}: {'; '.join(faults)}; do not deploy this bundle before you know why"
        )
    if parity.precision != "fp32" and not parity.scores:
        console.print(
            f"not judged: {parity.precision} may change ids, and these frames have no labels to say"
            " what that costs",
            highlight=False,
        )
