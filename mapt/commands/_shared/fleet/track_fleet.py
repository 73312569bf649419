"""`mapt track` on an engine: many recordings, into an archive with an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from mapt import __version__
from mapt.app.outputs.kinds import check_kinds
from mapt.app.selection import select
from mapt.commands._shared.fleet.fleet_model import FleetModel, fleet_model
from mapt.commands._shared.open_tracker import TrackerOptions
from mapt.engines.choice import EngineOptions, check_engine, open_engine
from mapt.errors import InputError, printable
from mapt.fleet.job import Reading, TrackJob
from mapt.fleet.rows.index import NAME
from mapt.fleet.rows.tables import check_pyarrow
from mapt.fleet.run import FleetOptions, FleetRun, run_fleet
from mapt.fleet.sources.lists import is_list
from mapt.fleet.sources.recordings import find_recordings
from mapt.io.storage.places import check_storage, in_bucket, open_storage


@dataclass(frozen=True)
class FleetTrack:
    """Options of `mapt track` on an engine.

    Attributes:
        sources: as they were given.
        out: the archive.
        model: see `mapt.commands._shared.model.find_model`.
        tracker: how it is opened.
        kinds: of `mapt.app.outputs.kinds`.
        classes: names by comma of what is written.
        conf: least score of what is written.
        reading: how recordings are read.
        sequences: of datasets.
        truth: folder of ground truth.
        dataset: its classes.
        piece: frames after which the work is saved.
        engine: which one.
        max_failures: recordings that may fail.
    """

    sources: Sequence[str]
    out: str | None
    model: str | None
    tracker: TrackerOptions
    kinds: tuple[str, ...]
    classes: str | None
    conf: float
    reading: Reading
    sequences: list[str] | None
    truth: Path | None
    dataset: str
    piece: int | None
    engine: EngineOptions
    max_failures: int | None

    @cached_property
    def archive(self) -> str:
        """The archive's address; of a folder, its absolute path, which workers share."""
        if not self.out:
            raise InputError("--out: name the archive: a folder, s3://BUCKET/PREFIX or gs://...")
        return absolute(self.out)


def absolute(text: str) -> str:
    """Return a path as workers find it, which may run elsewhere; addresses stay."""
    return text if "://" in text else str(Path(text).absolute())


def needs_engine(sources: Sequence[str], out: str | None) -> bool:
    """Tell whether an object store or a list is named, which only an engine takes."""
    return any(is_list(text) or in_bucket(text) for text in sources) or "://" in (out or "")


def refuse_here(given: dict[str, object]) -> None:
    """Refuse options that are for one tracker in this process.

    Raises:
        InputError: one is given.
    """
    wrong = next((option for option, value in given.items() if value), None)
    if wrong is not None:
        raise InputError(
            f"{wrong}: is for sources that are tracked here; leave it out on an engine"
        )


def track_fleet(options: FleetTrack) -> None:
    """Track every recording, tell what became of them, and exit with the code of the run.

    Raises:
        InputError: an option that does not fit, nothing to read, an archive that cannot be written,
            or a cluster that cannot be reached.
    """
    check_engine(options.engine)
    on_ray = options.engine.name == "ray"
    if on_ray and options.tracker.device == "cuda" and not options.engine.gpus:
        raise InputError(
            "--device cuda: workers of Ray that ask for no GPU see none; add --gpus, e.g. 1"
        )
    check_pyarrow("the index of --engine and --workers")
    archive = open_storage(options.archive)
    check_storage(archive, writable=True)
    recordings = [
        replace(found, source=absolute(found.source))
        for found in find_recordings(options.sources, options.sequences)
    ]
    tracker = replace(options.tracker, threads=options.engine.threads)
    with (
        open_engine(options.engine) as engine,
        fleet_model(options.model, tracker, elsewhere=on_ray) as model,
    ):
        job = _job(options, model)
        if model.class_set is not None:
            check_kinds(job.kinds, model.class_set)
            select(job.classes, job.conf, model.class_set)
        typer.echo(
            printable(
                f"mapt: {model.told}; {len(recordings)} recordings, {engine.workers} workers"
            ),
            err=True,
        )
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("recordings", total=len(recordings))
            fleet = FleetOptions(
                options.max_failures,
                lambda line: bar.console.print(
                    printable(line), markup=False, highlight=False, soft_wrap=True
                ),
                lambda _: bar.advance(task),
            )
            run = run_fleet(engine, job, recordings, fleet)
    _tell(run, len(recordings), options)
    if run.code:
        raise typer.Exit(run.code)


def _job(options: FleetTrack, model: FleetModel) -> TrackJob:
    from importlib.metadata import PackageNotFoundError, version

    versions = [f"mapt {__version__}"]
    for package in ("onnxruntime", "onnxruntime-gpu", "numpy"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return TrackJob(
        model.open,
        model.fingerprint,
        model.options,
        options.archive,
        options.kinds,
        options.classes,
        options.conf,
        options.reading,
        None if options.truth is None else options.truth.absolute(),
        options.dataset,
        options.piece,
        model.name,
        ", ".join(versions),
    )


def _tell(run: FleetRun, total: int, options: FleetTrack) -> None:
    words = [f"{run.done} tracked, {run.frames} frames", f"{run.before} were whole before"]
    if run.failed:
        words.append(f"{run.failed} failed")
    left = total - run.done - run.before - run.failed
    if left:
        words.append(f"{left} not tried, because more than {options.max_failures} failed")
    typer.echo(f"{total} recordings: {'; '.join(words)}")
    typer.echo(printable(f"index: {options.archive}/{NAME}"))
