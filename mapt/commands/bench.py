"""`mapt bench`: measures the cost and accuracy of a bundle beside the PyTorch reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mapt.bench.suite_options import SUITES, names_of
from mapt.commands._shared.completion import complete_with
from mapt.errors import InputError, suggest

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from mapt.bench.report.page.elements import Picture
    from mapt.runtime.bundle.manifest import Bundle


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(bench)


def bench(  # noqa: PLR0917  (the command's options)
    bundle: Annotated[
        str,
        typer.Argument(help="a bundle of `mapt export`, nano-synthetic, or hf:OWNER/NAME@COMMIT"),
    ],
    suite: Annotated[
        str,
        typer.Option(
            "--suite",
            help=f"{', '.join(SUITES)}; all: run, ablation and scale",
            autocompletion=complete_with(lambda: SUITES),
        ),
    ] = "run",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="KITTI-STEP layout, for parity also frames or a video; default: synthetic, seed 7",
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the results here")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="write a report for people here")
    ] = None,
    old: Annotated[
        Path | None,
        typer.Option(
            "--compare", help="JSON of an earlier run; exit code 1 where this one is worse"
        ),
    ] = None,
    sequences: Annotated[
        int | None, typer.Option("--sequences", min=1, help="synthetic sequences; default: 3")
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option("--frames", min=4, help="frames per synthetic sequence; default: 40"),
    ] = None,
    fps: Annotated[float, typer.Option("--fps", min=0.1)] = 10.0,
    seeds: Annotated[str, typer.Option("--seeds", help="of the synthetic data, by comma")] = "",
    size: Annotated[
        str | None,
        typer.Option(
            "--size", help="HxW of the synthetic frames; default: they fill the network's input"
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="of every backend, 0: one a core")
    ] = 0,
    beside: Annotated[
        list[Path] | None,
        typer.Option("--beside", help="another bundle, in the same run; may be repeated"),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="a row of torch.compile, too; takes minutes")
    ] = False,
    device: Annotated[
        str, typer.Option("--device", help="of PyTorch: auto, cpu, cuda or cuda:N")
    ] = "auto",
    trust: Annotated[
        Path | None,
        typer.Option("--trust", help="public key that must have signed the bundles (PEM)"),
    ] = None,
    alone: Annotated[
        bool, typer.Option(help="memory and throughput of each backend in its own process")
    ] = True,
    against: Annotated[
        str | None, typer.Option("--against", help="another bundle, over a whole --archive")
    ] = None,
    archive: Annotated[
        str | None,
        typer.Option("--archive", help="of `mapt track`, or recordings: a folder, s3://, gs://"),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="ground truth of the archive: PAT, too")
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="of the archive: local (processes) or ray")
    ] = "local",
    address: Annotated[
        str | None, typer.Option("--address", help="of the Ray cluster: auto, or HOST:PORT")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="recordings at once, on an engine")
    ] = None,
) -> None:
    """Measure parameters, FLOPs, latency, accuracy and parity in one run.

    With --against and --archive, compare two bundles over many recordings instead.
    """
    import tempfile

    from rich.console import Console

    from mapt.commands._shared.bench_data import filling_size, parse_seeds, render_streets
    from mapt.commands._shared.size import check_rate

    if against or archive:
        on_engine = (engine, address, workers, threads or 1)
        _compare(bundle, against, archive, on_engine, truth=truth, json_file=json_file, trust=trust)
        return
    _check_options(suite, html=html, beside=beside, old=old)
    check_rate(fps)
    numbers = parse_seeds(seeds, suite)
    synthetic = {"--seeds": seeds, "--sequences": sequences, "--frames": frames, "--size": size}
    if data and (given := [option for option, value in synthetic.items() if value]):
        raise InputError(f"{given[0]}: is for synthetic frames; leave it out, or --data")
    _check_outputs(json_file, html)

    from mapt.bench.measure import describe, measure
    from mapt.bench.report.compare import check_comparable, read_report
    from mapt.bench.report.page.annotated import AnnotatedFrames
    from mapt.bench.suites import Setting, check_frames
    from mapt.commands._shared.model import find_bundle
    from mapt.commands._shared.size import parse_size
    from mapt.cores import check_threads, usable_cores
    from mapt.model.class_names import check_streets
    from mapt.runtime.bundle.manifest import read_bundle

    place = _find_device(device)
    before = read_report(old) if old else None
    console = Console()
    checked = read_bundle(find_bundle(bundle), trust)
    others = [read_bundle(path, trust) for path in beside or ()]
    if not data and SUITES[suite].scores:
        check_streets(checked.info, "--data")
    with tempfile.TemporaryDirectory(prefix="mapt-bench-") as folder:
        roots: dict[int | None, Path] = (
            {None: data} if data else {seed: Path(folder, str(seed)) for seed in numbers}
        )
        if not data:
            render_streets(
                parse_size(size) if size else filling_size(checked),
                roots,
                sequences or 3,
                frames or 40,
                fps,
                console,
            )
        count = check_threads(threads, "--threads") if threads else usable_cores()
        if suite == "parity":
            _verify(console, checked, next(iter(roots.values())), fps, count, json_file)
            return
        for root in roots.values():
            check_frames(root)
        name = checked.folder.name if others else "ort"
        pictures = AnnotatedFrames(name) if html else None
        setting = Setting(
            console, checked, roots, fps, count, others, compiled, alone, place, pictures
        )
        about = describe(suite, setting)
        if before and old:
            check_comparable(before, about.to_json(), old)
        report = measure(suite, setting, about).to_json()
    _write(report, json_file, html, pictures.images if pictures else [])
    if before and old and _worse(console, before, report, old):
        raise typer.Exit(1)


def _compare(
    bundle: str,
    against: str | None,
    archive: str | None,
    on_engine: tuple[str, str | None, int | None, int],
    *,
    truth: Path | None,
    json_file: Path | None,
    trust: Path | None,
) -> None:
    from mapt.commands._shared.fleet.bench_archive import ArchiveBench, bench_archive
    from mapt.commands._shared.open_tracker import TrackerOptions
    from mapt.engines.choice import EngineOptions

    _check_outputs(json_file, None)
    engine = EngineOptions(*on_engine)
    tracker = TrackerOptions(trust=trust)
    bench_archive(ArchiveBench(bundle, against, archive, truth, tracker, engine, json_file))


def _verify(  # it writes its own JSON, also where the bundle fails
    console: Console, bundle: Bundle, root: Path, fps: float, threads: int, json_file: Path | None
) -> None:
    from mapt.bench.parity.clips import open_clips
    from mapt.commands._shared.parity import verify_bundle

    verify_bundle(console, bundle, open_clips(root, fps), threads, json_file)


def _find_device(name: str) -> torch.device | None:
    """Return PyTorch's device; None where PyTorch is not installed.

    Raises:
        InputError: no such device, or one that needs PyTorch.
    """
    from mapt.bench.latency.backend_variants import WITHOUT_PYTORCH
    from mapt.bench.suites import has_pytorch

    if has_pytorch():
        from mapt.evaluation.device import find_device

        return find_device(name)
    if name not in ("auto", "cpu"):
        raise InputError(f"--device {name}: is of PyTorch's rows; {WITHOUT_PYTORCH}")
    return None


def _write(
    report: dict[str, Any], json_file: Path | None, html: Path | None, pictures: list[Picture]
) -> None:
    from mapt.io.atomic_files import write_json

    if json_file:
        write_json(json_file, report)
    if html:
        from mapt.bench.report.page.html import write_html

        write_html(html, report, pictures)


def _worse(console: Console, before: dict[str, Any], report: dict[str, Any], old: Path) -> bool:
    """Print the changes, and tell whether anything got worse."""
    from mapt.bench.report.compare import compare
    from mapt.bench.report.console import print_changes

    changes = compare(before, report, old)
    print_changes(console, changes, before, report)
    return any(change.worse for change in changes)


def _check_options(
    suite: str, *, html: Path | None, beside: list[Path] | None, old: Path | None
) -> None:
    """Refuse options that the chosen suite does not use."""
    if suite not in SUITES:
        raise InputError(f"--suite {suite}: unknown; {suggest(suite, SUITES)}")
    takes = SUITES[suite]
    if html and not takes.html:
        raise InputError(f"--html: has no part for --suite {suite}; take --json")
    if beside and not takes.beside:
        fitting = names_of(lambda other: other.beside)
        raise InputError(f"--beside: is for --suite {fitting}, not {suite}")
    if old and not takes.compare:
        fitting = names_of(lambda other: other.compare)
        raise InputError(f"--compare: is for --suite {fitting}, not {suite}")


def _check_outputs(json_file: Path | None, html: Path | None) -> None:
    """Find outputs that cannot be written, before anything is measured.

    The causes are a file that cannot be written, and a missing package.
    """
    from mapt.io.atomic_files import check_writable

    check_writable(json_file, "--json")
    check_writable(html, "--html")
    if html:
        import mapt.bench.report.page.html  # noqa: F401  (needs jinja2)
