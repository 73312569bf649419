"""Writes synthetic sequences in KITTI-STEP's layout."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2

from mapt.cores import usable_cores
from mapt.engines.engine import TaskEngine
from mapt.engines.processes import ProcessEngine
from mapt.io.atomic_folders import Ours, nothing, published
from mapt.io.image_files import encode_image
from mapt.labels.step_png import encode_step
from mapt.synthetic.rendering.render import render_sequence

RECIPE = "recipe.json"
LABELS = "panoptic_maps"
_RENDERED = re.compile(r"recipe\.json|(training/image_02|panoptic_maps/[^/]+)/\d{4}/\d{6}\.png")


@dataclass(frozen=True)
class Streets:
    """What every sequence of a dataset is made from; see `write_dataset`."""

    frames: int
    size: tuple[int, int]
    seed: int
    fps: float
    split: str
    rare: float


def write_dataset(  # noqa: PLR0917  (a dataset's whole recipe)
    folder: Path,
    sequences: int,
    frames: int,
    size: tuple[int, int],
    seed: int,
    fps: float = 10.0,
    split: str = "val",
    workers: int | None = None,
    rare: float = 0.0,
    on_progress: Callable[[int], None] | None = None,
    recipe: Mapping[str, object] | None = None,
    engine: TaskEngine | None = None,
) -> None:
    """Render sequences 0 to `sequences` - 1 of `seed` into a folder.

    The folder appears complete or not at all.

    Args:
        folder: receives `training/image_02/<seq>/<frame>.png` and
            `panoptic_maps/<split>/<seq>/<frame>.png`.
        sequences: number of sequences.
        frames: number of frames in each sequence.
        size: height and width, pixels.
        seed: the dataset's seed. The same arguments give the same bytes with any `workers`.
        fps: frames per second.
        split: name of the label folder.
        workers: number of processes. None takes one for each core that this process may use.
        rare: 0 for usual traffic, up to 1 for many trucks, buses, trams and two-wheelers.
        on_progress: called with the number of finished sequences.
        recipe: written to `recipe.json` in the folder.
        engine: renders the sequences, in the place of `workers`; its workers must see the folder.

    Raises:
        InputError: the folder holds files that no earlier call wrote.
    """
    count = min(workers or usable_cores(), sequences)
    with published(folder, rendered_files(folder)) as root:
        if recipe is not None:
            (root / RECIPE).write_text(json.dumps(recipe))
        job = partial(
            write_sequence, root.absolute(), Streets(frames, size, seed, fps, split, rare)
        )
        threads = cv2.getNumThreads()
        try:
            _render_all(job, sequences, engine or ProcessEngine(count), on_progress)
        finally:
            cv2.setNumThreads(threads)  # a single worker is this process


def _render_all(
    job: Callable[[int], None],
    sequences: int,
    engine: TaskEngine,
    on_progress: Callable[[int], None] | None,
) -> None:
    """Run `job` for every sequence. The first failure ends all workers and is raised."""
    with closing(engine.run(partial(_itself, job), range(sequences))) as outcomes:
        for finished, outcome in enumerate(outcomes, 1):
            if outcome.failure:
                raise outcome.failure.error from RuntimeError(outcome.failure.where)
            if on_progress:
                on_progress(finished)


def _itself(job: Callable[[int], None]) -> Callable[[int], None]:
    """The work of a worker that has nothing to load."""
    return job


def rendered_files(folder: Path) -> Ours:
    """Return a function that tells which files of a folder an earlier call wrote.

    A folder without a recipe may hold another dataset in the same layout, so none of its files
    count.
    """
    return (
        (lambda name: _RENDERED.fullmatch(name) is not None)
        if (folder / RECIPE).is_file()
        else nothing
    )


def write_sequence(root: Path, streets: Streets, index: int) -> None:
    """Render a sequence into a dataset's folder, in this thread alone.

    Args:
        root: receives `training/image_02/<seq>` and `panoptic_maps/<split>/<seq>`.
        streets: what it is made from.
        index: its number.
    """
    cv2.setNumThreads(1)
    name = f"{index:04d}"
    images = root / "training" / "image_02" / name
    labels = root / LABELS / streets.split / name
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    rendered = render_sequence(
        streets.seed, index, streets.frames, streets.size, streets.fps, streets.rare
    )
    for number, frame in enumerate(rendered):
        label = encode_step(frame.semantic, frame.instance)
        for folder, pixels in ((images, frame.image), (labels, label)):
            data = encode_image(".png", pixels, cv2.IMWRITE_PNG_COMPRESSION, 1)
            (folder / f"{number:06d}.png").write_bytes(data)
