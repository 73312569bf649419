"""`mapt bench`: what a bundle costs and what it is worth, beside the PyTorch reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mapt.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from mapt.bench.suites import Setting
    from mapt.runtime.bundle import Bundle

SUITES = ("run", "ablation", "parity", "scale", "deadline", "all")


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(bench)


def bench(  # noqa: PLR0917  (the command's options)
    bundle: Annotated[Path, typer.Argument(help="a bundle of `mapt export`")],
    suite: Annotated[str, typer.Option("--suite", help=f"{', '.join(SUITES)}; all: run, ablation and scale")] = "run",
    data: Annotated[
        Path | None,
        typer.Option("--data", help="KITTI-STEP layout, for parity also frames or a video; default: synthetic, seed 7"),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the results here")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="write a report for people here")] = None,
    old: Annotated[
        Path | None, typer.Option("--compare", help="JSON of an earlier run; exit code 1 where this one is worse")
    ] = None,
    sequences: Annotated[int, typer.Option("--sequences", min=1, help="synthetic sequences")] = 3,
    frames: Annotated[int, typer.Option("--frames", min=4, help="frames per synthetic sequence")] = 40,
    fps: Annotated[float, typer.Option("--fps", min=0.1)] = 10.0,
    seeds: Annotated[str, typer.Option("--seeds", help="of the synthetic data, by comma")] = "",
    size: Annotated[
        str | None, typer.Option("--size", help="HxW of the synthetic frames; default: they fill the network's input")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=0, help="of every backend, 0: one a core")] = 0,
    beside: Annotated[
        list[Path] | None, typer.Option("--beside", help="another bundle, in the same run; may be repeated")
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="a row of torch.compile, too; takes minutes")] = False,
    alone: Annotated[bool, typer.Option(help="memory and throughput of each backend in its own process")] = True,
) -> None:
    """Measure parameters, FLOPs, latency, accuracy and parity in one run."""
    import os
    import tempfile

    from rich.console import Console

    if suite not in SUITES:
        raise InputError(f"--suite {suite}: unknown; choose one of {', '.join(SUITES)}")
    if html and suite == "parity":
        raise InputError("--html: has no part for --suite parity; take --json")
    if beside and suite in ("parity", "scale", "deadline"):
        raise InputError(f"--beside: is for --suite run, ablation and all, not {suite}")
    if old and suite not in ("run", "all"):
        raise InputError(f"--compare: is for --suite run and all, not {suite}")
    numbers = _seeds(seeds or ("7,8,9" if suite in ("ablation", "all") else "7"))
    if data and size:
        raise InputError("--size: is for synthetic frames; leave it out, or --data")

    from mapt.bench.compare import check_comparable, read_report
    from mapt.bench.suites import Setting, check_frames
    from mapt.commands._size import parse_size
    from mapt.runtime.bundle import read_bundle

    before = read_report(old) if old else None
    console, checked, others = Console(), read_bundle(bundle), [read_bundle(path) for path in beside or ()]
    with tempfile.TemporaryDirectory(prefix="mapt-bench-") as folder:
        pixels = parse_size(size) if size else _filling(checked)
        roots = {0: data} if data else _render(pixels, Path(folder), numbers, sequences, frames, fps, console)
        count = threads or os.cpu_count() or 1
        if suite == "parity":
            _verify(console, checked, next(iter(roots.values())), fps, count, json_file)
            return
        for root in roots.values():
            check_frames(root)
        setting = Setting(console, checked, roots, fps, count, others, compiled, alone)
        about = _describe(setting)
        if before and old:
            check_comparable(before, about, old)
        report = about | _measure(suite, setting)
    _write(report, json_file, html)
    if before and old and _worse(console, before, report, old):
        raise typer.Exit(1)


def _verify(  # it writes its own JSON, also where the bundle fails
    console: Console, bundle: Bundle, root: Path, fps: float, threads: int, json_file: Path | None
) -> None:
    from mapt.bench.clips import open_clips
    from mapt.commands._parity import verify_bundle

    verify_bundle(console, bundle.folder, open_clips(root, fps), threads, json_file)


def _measure(suite: str, setting: Setting) -> dict[str, Any]:
    """What each suite found."""
    from mapt.bench.suites import (
        ablation_suite,
        deadline_suite,
        run_suite,
        scale_suite,
    )

    suites = {"run": run_suite, "scale": scale_suite, "ablation": ablation_suite, "deadline": deadline_suite}
    report: dict[str, Any] = {"heads": {}, "latency_ms": {}, "accuracy": {}}
    for name, measure in suites.items():
        if name == suite or (suite == "all" and name != "deadline"):
            report |= measure(setting)
    return report


def _describe(setting: Setting) -> dict[str, Any]:
    """Machine, bundle and data."""
    from mapt.bench.machine import describe_machine
    from mapt.bench.suites import describe_bundle, describe_data

    machine, bundle = describe_machine(setting.threads), describe_bundle(setting.bundle)
    return {"machine": machine, "bundle": bundle, "data": describe_data(setting)}


def _write(report: dict[str, Any], json_file: Path | None, html: Path | None) -> None:
    from mapt.files import write_json

    if json_file:
        write_json(json_file, report)
    if html:
        from mapt.bench.html import write_html

        write_html(html, report)


def _worse(console: Console, before: dict[str, Any], report: dict[str, Any], old: Path) -> bool:
    """Print what changed; did anything get worse?"""
    from mapt.bench.compare import compare
    from mapt.bench.report import print_changes

    changes = compare(before, report, old)
    print_changes(console, changes, before, report)
    return any(change.worse for change in changes)


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--seeds {text}: is not a list of whole numbers; write e.g. --seeds 7,8,9") from None


def _filling(bundle: Bundle) -> tuple[int, int]:
    """Height and width of frames that fill the network's input at KITTI's aspect."""
    return bundle.info.height, min(bundle.info.width, round(bundle.info.height * 3.25))


def _render(
    size: tuple[int, int], folder: Path, seeds: list[int], sequences: int, frames: int, fps: float, console: Console
) -> dict[int, Path]:
    """Synthetic sequences (height, width) by seed."""
    from mapt.bench.suites import SPLIT
    from mapt.data.synthetic import write_dataset

    console.print(
        f"data: {sequences} synthetic sequences of {frames} frames, {size[0]}x{size[1]}, {fps:g} frames/s, "
        f"seed {', '.join(map(str, seeds))}",
        highlight=False,
    )
    for seed in seeds:
        write_dataset(folder / str(seed), sequences, frames, size, seed, fps, SPLIT)
    return {seed: folder / str(seed) for seed in seeds}
