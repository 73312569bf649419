"""Runs a fleet: every recording once, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial

from mapt.engines.engine import TaskEngine, TaskOutcome
from mapt.fleet.job import TrackJob
from mapt.fleet.rows.index import write_index
from mapt.fleet.sources.recordings import Recording
from mapt.fleet.worker import RecordingDone, RecordingWorker
from mapt.io.storage.places import open_storage

Tell = Callable[[str], None]


@dataclass
class FleetRun:
    """What a call did.

    Attributes:
        done: recordings that were tracked.
        before: those that were whole already.
        failed: those that failed.
        mistakes: of these, because of the user's data or options.
        frames: of the recordings that were tracked.
        stopped: more failed than `--max-failures` allows, and others were not tried.
    """

    done: int = 0
    before: int = 0
    failed: int = 0
    mistakes: int = 0
    frames: int = 0
    stopped: bool = False

    def add(self, outcome: TaskOutcome[Recording, RecordingDone]) -> None:
        """Count an outcome."""
        if outcome.failure is not None:
            self.failed += 1
            self.mistakes += outcome.failure.mistake
        elif outcome.result is not None and outcome.result.before:
            self.before += 1
        elif outcome.result is not None:
            self.done += 1
            self.frames += outcome.result.frames

    @property
    def code(self) -> int:
        """Exit code: 0 all are whole, 2 only mistakes of the user, else 1."""
        if not self.failed:
            return 0
        return 2 if self.failed == self.mistakes else 1


@dataclass(frozen=True)
class FleetOptions:
    """How a fleet is run.

    Attributes:
        max_failures: recordings that may fail before the rest is given up; None: all.
        tell: is given a line for each recording that failed.
        on_progress: is called after each recording.
    """

    max_failures: int | None = None
    tell: Tell = lambda _: None
    on_progress: Callable[[FleetRun], None] = lambda _: None
    run: FleetRun = field(default_factory=FleetRun)


def run_fleet(
    engine: TaskEngine, job: TrackJob, recordings: Sequence[Recording], options: FleetOptions
) -> FleetRun:
    """Track recordings, and write the index of all that are done, also where this is interrupted.

    Args:
        engine: does the work.
        job: what is done with each.
        recordings: of `mapt.fleet.sources.recordings.find_recordings`.
        options: see there.

    Raises:
        KeyboardInterrupt: from Ctrl-C; what is whole stays.
    """
    run = options.run
    with _indexed(job.out), closing(engine.run(partial(RecordingWorker, job), recordings)) as all_:
        for outcome in all_:
            run.add(outcome)
            if outcome.failure is not None:
                options.tell(f"{outcome.task.name}: {outcome.failure.text}")
            options.on_progress(run)
            if options.max_failures is not None and run.failed > options.max_failures:
                run.stopped = True
                break
    return run


@contextmanager
def _indexed(out: str) -> Iterator[None]:
    try:
        yield
    finally:
        write_index(open_storage(out))
