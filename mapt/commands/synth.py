"""`mapt synth`: renders procedural street sequences with exact labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mapt.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from mapt.engines.engine import TaskEngine
    from mapt.synthetic.dataset import Streets


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(synth)


def synth(  # noqa: PLR0917  (one parameter an option)
    out: Annotated[str, typer.Argument(help="the dataset's folder, or s3:// or gs://")],
    sequences: Annotated[int, typer.Option("--sequences", min=1, max=9999)] = 4,
    frames: Annotated[int, typer.Option("--frames", min=1, max=999_999, help="per sequence")] = 40,
    size: Annotated[str, typer.Option("--size", help="HxW, pixels")] = "384x1248",
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1)] = 0,
    fps: Annotated[float, typer.Option("--fps", min=0.1, help="frames per second")] = 10.0,
    split: Annotated[str, typer.Option("--split", help="name of the label folder")] = "val",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="processes, default one a core")
    ] = None,
    rare: Annotated[
        float,
        typer.Option(
            "--rare", min=0, max=1, help="up to 1: many trucks, buses, trams and two-wheelers"
        ),
    ] = 0.0,
    engine: Annotated[
        str, typer.Option("--engine", help="local (processes), or ray for many machines")
    ] = "local",
    address: Annotated[
        str | None, typer.Option("--address", help="of the Ray cluster: auto, or HOST:PORT")
    ] = None,
) -> None:
    """Render street sequences in KITTI-STEP's layout; the same seed gives the same bytes."""
    import time

    from rich.progress import Progress

    from mapt.commands._shared.size import check_rate, parse_size
    from mapt.cores import usable_cores
    from mapt.engines.choice import EngineOptions, open_engine
    from mapt.synthetic.dataset import Streets

    height, width = parse_size(size)
    check_rate(fps)
    if not 0 <= rare <= 1:
        raise InputError(f"--rare {rare}: is no share; give a number within 0..1")
    if min(height, width) < 32:
        raise InputError(f"--size {size}: too small to show a street; use at least 32x32")
    if (
        not split.isprintable()
        or split.startswith(".")
        or set("/\\") & set(split)
        or not 0 < len(split) < 100
    ):
        raise InputError(f"--split {split:.100}: is no name of a folder; use one like val")
    if engine == "local":
        workers = min(workers or usable_cores(), sequences)
    options = EngineOptions(engine, address, workers)
    streets = Streets(frames, (height, width), seed, fps, split, rare)
    start = time.monotonic()
    with open_engine(options) as opened, Progress(transient=True) as progress:
        task = progress.add_task("rendering", total=sequences)
        made = _write(
            out, sequences, streets, opened, lambda count: progress.update(task, completed=count)
        )
    rate = made * frames / (time.monotonic() - start)
    typer.echo(
        f"{printable(out)}: {sequences} sequences of {frames} frames, {height}x{width}, seed"
        f" {seed}; {rate:.1f} frames/s"
    )


def _write(
    out: str,
    sequences: int,
    streets: Streets,
    engine: TaskEngine,
    on_progress: Callable[[int], None],
) -> int:
    """Render into a folder or an object store, and return the number of new sequences."""
    from mapt.fleet.streets import StreetJob, render_streets_to
    from mapt.io.storage.places import check_storage, in_bucket, local_path, open_storage
    from mapt.synthetic import write_dataset

    if in_bucket(out):
        check_storage(open_storage(out, "OUT"), writable=True)
        return render_streets_to(engine, StreetJob(out, streets), sequences, on_progress)
    folder = local_path(out)
    if folder is None:
        raise InputError(f"{out}: is no place for a dataset; give a folder, s3:// or gs://")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists and is not empty; choose another folder")
    write_dataset(
        folder,
        sequences,
        streets.frames,
        streets.size,
        streets.seed,
        streets.fps,
        streets.split,
        rare=streets.rare,
        on_progress=on_progress,
        engine=engine,
    )
    return sequences
