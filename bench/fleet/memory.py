"""Watches the driver's memory while it goes over many recordings."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from mapt.bench.fleet.recordings import small_job
from mapt.engines.choice import EngineOptions, open_engine
from mapt.fleet.job import TrackJob
from mapt.fleet.marks import mark_outputs, write_mark
from mapt.fleet.rows.row import RowBuilder
from mapt.fleet.run import FleetOptions, FleetRun, run_fleet
from mapt.fleet.sources.fingerprint import source_fingerprint
from mapt.fleet.sources.recordings import Recording
from mapt.io.atomic_files import temporary_folder
from mapt.io.storage.folder import FolderStorage

POINTS = 10  # at which memory is read


def measure_memory(recordings: int, options: EngineOptions) -> dict[str, object]:
    """Measure the driver's resident memory over recordings whose outputs are whole, to the index.

    Workers read each source's fingerprint and mark, and compute nothing, so that only the driver
    and the engine are measured.

    Args:
        recordings: how many.
        options: of the engine.

    Raises:
        InputError: the engine cannot be opened.
    """
    points = dict[int, float]()
    with temporary_folder() as folder:
        job = small_job(folder / "out")
        found = [_done(folder, job, number) for number in range(recordings)]

        def note(run: FleetRun) -> None:
            if run.before % max(1, recordings // POINTS) == 0:
                gc.collect()
                points[run.before] = round(_resident_mb(), 1)

        with open_engine(options) as engine:
            run = run_fleet(engine, job, found, FleetOptions(on_progress=note))
        index_mb = round(_resident_mb(), 1)
    assert run.before == recordings, "every recording was whole"
    return {
        "resident_mb": points,
        "after_index_mb": index_mb,
        "recordings": recordings,
        "engine": options.name,
    }


def _done(folder: Path, job: TrackJob, number: int) -> Recording:
    """A recording with its outputs and its mark."""
    name = f"r{number:06d}"
    source = folder / "data" / f"{name}.mp4"
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(b"0")
    recording = Recording(str(source), name)
    archive = FolderStorage(folder / "out")
    for file in ("tracks.json", "decisions.jsonl"):
        (archive.folder / name).mkdir(parents=True, exist_ok=True)
        (archive.folder / name / file).write_bytes(b"{}")
    row = RowBuilder(10.0).row({"recording": name, "source": str(source), "bundle": job.bundle})
    key = job.key(source_fingerprint(recording))
    write_mark(archive, name, mark_outputs(archive, name, key, row, job.kinds))
    return recording


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
