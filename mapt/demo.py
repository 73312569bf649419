"""The whole chain on the shipped weights: synth, export, track, eval, bench, and a picture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mapt.app.outputs.kinds import DEFAULT
from mapt.app.track_source import Tracked, track_source
from mapt.app.visualize import contact_sheet, write_picture
from mapt.bench.latency.backend_variants import WITHOUT_PYTORCH
from mapt.bench.latency.interleaved import run_backends
from mapt.bench.report.console import print_accuracy, print_latency
from mapt.cores import usable_cores
from mapt.io.atomic_folders import find_place
from mapt.io.sources.folders import open_sources
from mapt.metrics import Results
from mapt.metrics.evaluate import evaluate_pairs
from mapt.metrics.folders import pair_frames
from mapt.metrics.tables import show
from mapt.model.class_names import check_streets
from mapt.probes import importable
from mapt.runtime import PanopticTracker
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.bundle.manifest import read_bundle
from mapt.runtime.bundle.requirements import runnable_here
from mapt.synthetic import write_dataset
from mapt.synthetic.dataset import rendered_files

SEED = 21  # neither trained nor validated on
FRAMES = 50
SEQUENCES = 2
BENCH_FRAMES = 16
SHEET = 8  # pictures


@dataclass(frozen=True)
class Demo:
    """The results of a demo: summaries of the sequences, scores and the picture.

    There are scores only if there was ground truth.
    """

    tracked: list[Tracked]
    results: Results | None
    sheet: Path


class Steps:
    """Numbered steps on the screen: what, the command that does it alone, how long it took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.number = 0
        self.start = time.monotonic()

    @contextmanager
    def step(self, what: str, command: str) -> Iterator[None]:
        """Announce a step and time it."""
        self.number += 1
        self.console.print(
            f"[bold]{self.number}. {what}[/bold]\n   {command}", highlight=False, soft_wrap=True
        )
        start = time.monotonic()
        yield
        self.console.print(f"   {time.monotonic() - start:.1f} s", highlight=False)


def run_demo(
    out: Path, model: Path, source: Path | None, console: Console, frames: int = FRAMES
) -> Demo:
    """Run the chain.

    Without PyTorch a bundle runs all of it but the comparison with PyTorch.

    Args:
        out: folder of everything it writes.
        model: weights, or a bundle.
        source: real frames or a video; None renders a synthetic clip.
        console: where it speaks.
        frames: per synthetic sequence.

    Raises:
        InputError: `source` holds no frames, the folder of the synthetic clip holds something else,
            or the network has other classes than a synthetic clip.
    """
    if source is not None:
        open_sources(source)  # a wrong path is said before the work
    clip = out / "clip"
    if source is None:
        find_place(clip, rendered_files(clip))
    steps = Steps(console)
    bundle = model
    if model.is_file():
        bundle = out / "bundle"
        lowering = runnable_here()
        command = f"mapt export {model} --out {bundle}" + (
            "" if lowering == "standard" else f" --ops {lowering}"
        )
        from mapt.export.bundle.writer import Request, export_bundle

        with steps.step("Export the weights to ONNX", command):
            export_bundle(model, bundle, Request(lowering=lowering))
    info = read_bundle(bundle).info
    if source is None:
        check_streets(info, "--input")
        size = (info.height, min(info.width, round(info.height * 3.25)))
        options = (
            f"--sequences {SEQUENCES} --frames {frames} --size {size[0]}x{size[1]} --seed {SEED}"
        )
        with steps.step("Render street sequences never trained on", f"mapt synth {clip} {options}"):
            write_dataset(clip, SEQUENCES, frames, size, SEED, recipe={"made by": options})
    tracked = _track(steps, source or clip, bundle, out)
    results = None
    if source is None:
        results = _score(steps, clip, out, [t.name for t in tracked], console)
        _measure(steps, clip, bundle, console)
    sheet = out / "contact_sheet.png"
    pictures = [sample for t in tracked for sample in t.samples]
    write_picture(sheet, contact_sheet([p for p, _ in pictures], [c for _, c in pictures]))
    _summarise(console, tracked, results, sheet, out, time.monotonic() - steps.start)
    return Demo(tracked, results, sheet)


def _track(steps: Steps, source: Path, bundle: Path, out: Path) -> list[Tracked]:
    with steps.step(
        "Track it with ONNX Runtime, without PyTorch",
        f"mapt track {source} --model {bundle} --out {out}",
    ):
        sources = open_sources(source)
        tracker = PanopticTracker.load(bundle)
        return [
            track_source(tracker, s, out, DEFAULT, samples=max(2, SHEET // len(sources)))
            for s in sources
        ]


def _score(steps: Steps, clip: Path, out: Path, names: list[str], console: Console) -> Results:
    """Score the named sequences; the folder may hold others of an earlier run."""
    command = f"mapt eval {clip} {out} --dataset kitti-step --sequences {','.join(names)}"
    with steps.step("Score it", command):
        pairs = pair_frames(clip, out, "kitti-step", names)
        results = evaluate_pairs(pairs, "kitti-step", workers=usable_cores()).metrics.compute()
        show(console, results, {})
    return results


def _measure(steps: Steps, clip: Path, bundle: Path, console: Console) -> None:
    if not importable("torch"):
        console.print(
            f"left out: the comparison with PyTorch: {WITHOUT_PYTORCH}",
            highlight=False,
            markup=False,
        )
        return
    from mapt.evaluation.reference import load_reference
    from mapt.evaluation.torch_backend import TorchBackend

    checked = read_bundle(bundle)
    command = f"mapt bench {bundle} --data {clip}"
    with steps.step(
        f"Compare with the PyTorch reference, {BENCH_FRAMES} frames a sequence", command
    ):
        backends: list[Backend] = [
            TorchBackend(load_reference(checked)),
            OrtBackend(checked),
        ]
        result = run_backends(backends, clip, "val", 10.0, limit=BENCH_FRAMES)
        print_latency(console, result)
        print_accuracy(console, result)


def _summarise(
    console: Console,
    tracked: list[Tracked],
    results: Results | None,
    sheet: Path,
    out: Path,
    seconds: float,
) -> None:
    console.print(f"\n[bold]Done in {seconds:.0f} s.[/bold]", highlight=False)
    if results:
        s = results.dataset
        shown = [
            f"{n} {100 * (v or 0):.1f}"
            for n, v in (("PAT", s.PAT), ("PQ", s.PQ), ("TQ", s.TQ), ("STQ", s.STQ))
        ]
        console.print(f"{', '.join(shown)} (percent)", highlight=False)
    for t in tracked:
        text = f"{t.name}: {t.frames} frames, {t.tracks} tracks, {t.median_ms:.1f} ms a frame"
        console.print(f"{text}; {out / t.name / 'video.mp4'}", highlight=False, soft_wrap=True)
    console.print(f"picture: {sheet}", highlight=False, soft_wrap=True)
