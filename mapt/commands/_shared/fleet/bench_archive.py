"""`mapt bench A --against B --archive URI`: two networks over many recordings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from mapt.commands._shared.fleet.fleet_model import fleet_model
from mapt.commands._shared.fleet.track_fleet import absolute
from mapt.commands._shared.open_tracker import TrackerOptions
from mapt.engines.choice import EngineOptions, check_engine, open_engine
from mapt.errors import InputError, printable
from mapt.fleet.comparison.compare import CompareJob, archived, compare_archive
from mapt.fleet.comparison.differences import RecordingDifference
from mapt.io.atomic_files import write_json

SHOWN = 20  # recordings in the table


@dataclass(frozen=True)
class ArchiveBench:
    """Options of the comparison.

    Attributes:
        first: a bundle; see `mapt.commands._shared.model.find_model`.
        second: another.
        archive: an archive of `mapt track`, or what it takes as a source.
        truth: folder of ground truth.
        tracker: how trackers are opened.
        engine: which one.
        json_file: for all that was found.
    """

    first: str
    second: str | None
    archive: str | None
    truth: Path | None
    tracker: TrackerOptions
    engine: EngineOptions
    json_file: Path | None


def bench_archive(options: ArchiveBench) -> None:
    """Compare, print the recordings that differ most, and write what was found.

    Raises:
        InputError: an option is missing, or nothing can be compared.
    """
    if options.second is None or options.archive is None:
        missing = "--against" if options.second is None else "--archive"
        raise InputError(f"{missing}: is missing; give --against BUNDLE and --archive URI together")
    check_engine(options.engine)
    recordings = [replace(r, source=absolute(r.source)) for r in archived(options.archive)]
    elsewhere = options.engine.name != "local"
    tracker = replace(options.tracker, threads=options.engine.threads)
    console = Console()
    with (
        open_engine(options.engine) as engine,
        fleet_model(options.first, tracker, elsewhere=elsewhere) as first,
        fleet_model(options.second, tracker, elsewhere=elsewhere) as second,
        Progress(console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("comparing", total=len(recordings))
        truth = None if options.truth is None else options.truth.absolute()
        found = compare_archive(
            engine,
            CompareJob((first.open, second.open), truth=truth),
            recordings,
            lambda line: typer.echo(printable(line), err=True),
            lambda: bar.advance(task),
        )
    _show(console, found, len(recordings))
    if options.json_file:
        written = {"recordings": len(recordings), "differing": [_json(each) for each in found]}
        write_json(
            options.json_file, {"bundles": [first.fingerprint, second.fingerprint], **written}
        )


def _json(found: RecordingDifference) -> dict[str, object]:
    return {**asdict(found), "much": found.much}


def _show(console: Console, found: list[RecordingDifference], total: int) -> None:
    console.print(f"{len(found)} of {total} recordings differ", highlight=False)
    if not found:
        return
    table = Table("recording", "pixels", "frames", "tracks", "PAT", "first decision that differs")
    for each in found[:SHOWN]:
        pats = " -> ".join("-" if pat is None else f"{pat:.4f}" for pat in each.pat)
        said = "none"
        if each.decision is not None:
            decision = each.decision
            said = f"frame {decision.frame}: {decision.first}; {decision.second}"
        table.add_row(
            escape(printable(each.name)),
            f"{each.labels:.2%}",
            f"{each.ids:.0%}",
            " -> ".join(map(str, each.tracks)),
            pats,
            escape(printable(said)),
        )
    console.print(table)
    console.print(
        "pixels: of another class; frames: in which any pixel has another id", highlight=False
    )
