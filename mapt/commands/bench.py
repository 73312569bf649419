"""`mapt bench`: what a bundle costs and what it is worth, beside the PyTorch reference."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapt.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from mapt.runtime.backend import Backend
    from mapt.runtime.bundle import Bundle

SPLIT = "val"


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(bench)


def bench(  # noqa: PLR0917  (the command's options)
    bundle: Annotated[Path, typer.Argument(help="a bundle of `mapt export`")],
    suite: Annotated[str, typer.Option("--suite", help="run, ablation, parity, scale or deadline")] = "run",
    data: Annotated[
        Path | None,
        typer.Option("--data", help="KITTI-STEP layout, for parity also frames or a video; default: synthetic, seed 7"),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the results here")] = None,
    sequences: Annotated[int, typer.Option("--sequences", min=1, help="synthetic sequences")] = 3,
    frames: Annotated[int, typer.Option("--frames", min=4, help="frames per synthetic sequence")] = 40,
    fps: Annotated[float, typer.Option("--fps", min=0.1)] = 10.0,
    seeds: Annotated[str, typer.Option("--seeds", help="of the synthetic data, by comma")] = "",
    threads: Annotated[int, typer.Option("--threads", min=0, help="of every backend, 0: one a core")] = 0,
    beside: Annotated[
        list[Path] | None, typer.Option("--beside", help="another bundle, in the same run; may be repeated")
    ] = None,
) -> None:
    """Measure parameters, FLOPs, latency, accuracy and parity in one run."""
    import os
    import tempfile

    from rich.console import Console

    from mapt.files import write_json
    from mapt.runtime.bundle import read_bundle

    suites: dict[str, Callable[..., dict[str, object]]] = {"run": _run, "ablation": _ablate, "deadline": _deadline}
    if suite not in (*suites, "parity"):
        reason = "not in this version" if suite == "scale" else "unknown"
        raise InputError(f"--suite {suite}: {reason}; choose one of {', '.join(suites)}, parity")
    if beside and suite != "run":
        raise InputError(f"--beside: is for --suite run, not {suite}")
    console, checked, count = Console(), read_bundle(bundle), threads or os.cpu_count() or 1
    if beside:
        suites["run"] = functools.partial(_run, others=[read_bundle(path) for path in beside])
    numbers = _seeds(seeds or ("7,8,9" if suite == "ablation" else "7"))
    with tempfile.TemporaryDirectory(prefix="mapt-bench-") as folder:
        roots = {0: data} if data else _render(checked, Path(folder), numbers, sequences, frames, fps, console)
        if suite == "parity":
            _compare(console, checked, next(iter(roots.values())), fps, count, json_file)
            return
        report = suites[suite](console, checked, roots, fps, count)
    if json_file:
        write_json(json_file, report)


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--seeds {text}: is not a list of whole numbers; write e.g. --seeds 7,8,9") from None


def _render(
    bundle: Bundle, folder: Path, seeds: list[int], sequences: int, frames: int, fps: float, console: Console
) -> dict[int, Path]:
    """Synthetic sequences that fill the network's input at KITTI's aspect."""
    from mapt.data.synthetic import write_dataset

    height = bundle.info.height
    width = min(bundle.info.width, round(height * 3.25))
    console.print(
        f"data: {sequences} synthetic sequences of {frames} frames, {height}x{width}, {fps:g} frames/s, "
        f"seed {', '.join(map(str, seeds))}",
        highlight=False,
    )
    for seed in seeds:
        write_dataset(folder / str(seed), sequences, frames, (height, width), seed, fps, SPLIT)
    return {seed: folder / str(seed) for seed in seeds}


def _run(
    console: Console, bundle: Bundle, roots: dict[int, Path], fps: float, threads: int, others: Sequence[Bundle] = ()
) -> dict[str, object]:
    import torch
    from rich.progress import Progress

    from mapt.bench.flops import count_heads
    from mapt.bench.machine import describe_machine
    from mapt.bench.report import print_accuracy, print_heads, print_latency, to_json
    from mapt.bench.run import run_backends
    from mapt.data.kitti_step import list_sequences
    from mapt.model.weights import load_weights
    from mapt.runtime.ort import OrtBackend
    from mapt.training.backend import TorchBackend

    torch.set_num_threads(threads)
    network = load_weights(bundle.folder / "weights.safetensors")
    heads = count_heads(network)
    print_heads(console, heads)
    root = next(iter(roots.values()))
    total = sum(len(s.images) for s in list_sequences(root, SPLIT))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"measuring, {threads} threads", total=total)
        sessions = [OrtBackend(b, threads) for b in (bundle, *others)]
        for session, measured in zip(sessions, (bundle, *others) if others else (), strict=False):
            session.name = measured.folder.name
        backends: list[Backend] = [TorchBackend(network), *sessions]
        if len({b.name for b in backends}) < len(backends):
            raise InputError("--beside: two bundles are called the same; rename a folder")
        result = run_backends(backends, root, SPLIT, fps, done=lambda: progress.advance(task))
    print_latency(console, result)
    print_accuracy(console, result)
    return to_json(describe_machine(threads), _described(bundle), heads, result)


def _ablate(console: Console, bundle: Bundle, roots: dict[int, Path], fps: float, threads: int) -> dict[str, object]:
    from rich.progress import Progress

    from mapt.bench.ablation import NAMES, run_ablation
    from mapt.bench.flops import count_heads
    from mapt.bench.machine import describe_machine
    from mapt.bench.report import print_ablation, to_json
    from mapt.model.weights import load_weights
    from mapt.runtime.ort import OrtBackend

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("ablation", total=len(NAMES) * len(roots))
        scores = run_ablation(OrtBackend(bundle, threads), roots, SPLIT, fps, lambda: progress.advance(task))
    print_ablation(console, scores, list(roots))
    heads = count_heads(load_weights(bundle.folder / "weights.safetensors"))
    return to_json(describe_machine(threads), _described(bundle), heads, None, scores)


def _deadline(console: Console, bundle: Bundle, roots: dict[int, Path], fps: float, threads: int) -> dict[str, object]:
    from rich.progress import Progress

    from mapt.bench.deadline import SHARES, print_deadlines, run_deadlines, to_json
    from mapt.bench.machine import describe_machine
    from mapt.runtime.ort import OrtBackend

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("deadlines", total=len(SHARES) + 1)
        root = next(iter(roots.values()))
        points = run_deadlines(OrtBackend(bundle, threads), root, SPLIT, fps, lambda: progress.advance(task))
    print_deadlines(console, points)
    return to_json(describe_machine(threads), _described(bundle), points)


def _compare(  # it writes its own JSON, also where the bundle fails
    console: Console, bundle: Bundle, root: Path, fps: float, threads: int, json_file: Path | None
) -> None:
    from mapt.bench.clips import open_clips
    from mapt.commands._parity import verify_bundle

    verify_bundle(console, bundle.folder, open_clips(root, fps), threads, json_file)


def _described(bundle: Bundle) -> dict[str, object]:
    info = bundle.info
    return {
        "id": bundle.id, "preset": info.preset, "height": info.height, "width": info.width,
        "lowering": bundle.lowering, "precision": bundle.precision,
    }  # fmt: skip
