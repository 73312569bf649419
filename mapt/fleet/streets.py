"""Renders synthetic streets into an object store, sequence by sequence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial

from mapt.engines.engine import TaskEngine
from mapt.fleet.marks import mark_name
from mapt.io.atomic_files import temporary_folder
from mapt.io.storage.places import open_storage
from mapt.synthetic.dataset import LABELS, Streets, write_sequence


@dataclass(frozen=True)
class StreetJob:
    """What is rendered, and where to.

    Attributes:
        out: the dataset's address.
        streets: what a sequence is made from.
    """

    out: str
    streets: Streets

    def render(self, index: int) -> bool:
        """Render a sequence, unless it is whole. Returns whether it was rendered now.

        Its mark is written after its last image.

        Raises:
            InputError: the store refuses it.
        """
        storage = open_storage(self.out)
        name = f"{index:04d}"
        key = hashlib.sha256(json.dumps(asdict(self.streets)).encode()).hexdigest()
        mark = json.dumps({"key": key}).encode()
        if storage.read(mark_name(name)) == mark:
            return False
        with temporary_folder() as folder:
            write_sequence(folder, self.streets, index)
            for below in ("training/image_02", f"{LABELS}/{self.streets.split}"):
                storage.upload(folder / below / name, f"{below}/{name}")
        storage.write(mark_name(name), mark)
        return True


def _render(job: StreetJob) -> Callable[[int], bool]:
    return job.render


def render_streets_to(
    engine: TaskEngine, job: StreetJob, sequences: int, on_progress: Callable[[int], None]
) -> int:
    """Render sequences 0 to `sequences` - 1, and return how many were rendered now.

    Args:
        engine: does the work.
        job: what is rendered.
        sequences: how many.
        on_progress: called with the number of finished sequences.

    Raises:
        InputError: the store refuses a sequence; those that are whole stay.
    """
    rendered = 0
    with closing(engine.run(partial(_render, job), range(sequences))) as outcomes:
        for finished, outcome in enumerate(outcomes, 1):
            if outcome.failure is not None:
                raise outcome.failure.error
            rendered += bool(outcome.result)
            on_progress(finished)
    return rendered
