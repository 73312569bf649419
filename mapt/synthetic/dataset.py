"""Writes synthetic sequences in KITTI-STEP's layout."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

import cv2

from mapt.cores import usable_cores
from mapt.io.atomic_folders import Ours, nothing, published
from mapt.io.image_files import encode_image
from mapt.labels.step_png import encode_step
from mapt.synthetic.sequences import Style, render_sequence

RECIPE = "recipe.json"
_RENDERED = re.compile(r"recipe\.json|(training/image_02|panoptic_maps/[^/]+)/\d{4}/\d{6}\.png")


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
    style: Style = "plain",
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
        style: `plain` or `varied` streets, see `mapt.synthetic.sequences`.

    Raises:
        InputError: the folder holds files that no earlier call wrote.
    """
    count = min(workers or usable_cores(), sequences)
    with published(folder, rendered_files(folder)) as root:
        if recipe is not None:
            (root / RECIPE).write_text(json.dumps(recipe))
        job = partial(_write_sequence, root, frames, size, seed, fps, split, rare, style)
        if count <= 1:
            threads = cv2.getNumThreads()
            try:
                for index in range(sequences):
                    job(index)
                    if on_progress:
                        on_progress(index + 1)
            finally:
                cv2.setNumThreads(threads)
            return
        _run_in_processes(job, sequences, count, on_progress)


def _run_in_processes(
    job: Callable[[int], None],
    sequences: int,
    count: int,
    on_progress: Callable[[int], None] | None,
) -> None:
    """Run `job` for every sequence in `count` processes.

    All processes end at once if one fails or this one is interrupted. The standard library's
    executors are not used, because they wait for ever if their threads cannot be started.
    """
    context = get_context("spawn")
    left = iter(range(sequences))
    with ExitStack() as stack:
        pipes: list[Connection] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(job, theirs), daemon=True)
            process.start()
            stack.callback(process.join)
            stack.callback(process.kill)
            ours.send(next(left))
            theirs.close()
            pipes.append(ours)
        for finished in range(1, sequences + 1):
            ready = next(iter(wait(pipes)))
            assert isinstance(ready, Connection)
            _raise_what_came(ready)
            if on_progress:
                on_progress(finished)
            if (index := next(left, None)) is not None:
                ready.send(index)


def _raise_what_came(pipe: Connection) -> None:
    """Raise the exception of a worker's job, if it raised one."""
    try:
        failure: tuple[Exception, str] | None = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise RuntimeError(
            "a process that renders was ended from outside, perhaps for want of memory"
        ) from None
    if failure:
        error, where = failure
        raise error from RuntimeError(where)


def _serve(job: Callable[[int], None], pipe: Connection) -> None:
    """Run a worker, which does the job for every index that it receives.

    It ends when it is killed, or when its parent ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl+C, and ends its workers
    try:
        _end_with_parent()
        while True:
            job(pipe.recv())
            pipe.send(None)
    except Exception as error:
        pipe.send((error, traceback.format_exc()))


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


def _end_with_parent() -> None:
    """End this worker when its parent ends.

    Otherwise it would finish its sequence after the parent received `kill -9`.
    """
    parent = parent_process()
    assert parent is not None, "runs in workers only"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_sequence(  # noqa: PLR0917  (a sequence's whole recipe)
    root: Path,
    frames: int,
    size: tuple[int, int],
    seed: int,
    fps: float,
    split: str,
    rare: float,
    style: Style,
    index: int,
) -> None:
    cv2.setNumThreads(1)
    name = f"{index:04d}"
    images = root / "training" / "image_02" / name
    labels = root / "panoptic_maps" / split / name
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for number, frame in enumerate(render_sequence(seed, index, frames, size, fps, rare, style)):
        label = encode_step(frame.semantic, frame.instance)
        for folder, pixels in ((images, frame.image), (labels, label)):
            data = encode_image(".png", pixels, cv2.IMWRITE_PNG_COMPRESSION, 1)
            (folder / f"{number:06d}.png").write_bytes(data)
