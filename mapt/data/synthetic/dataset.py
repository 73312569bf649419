"""Writes synthetic sequences in KITTI-STEP's layout."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import connection, get_context, parent_process
from pathlib import Path

import cv2
import numpy as np

from mapt.data.synthetic.render import render_sequence
from mapt.files import atomic_directory
from mapt.panoptic import encode_step
from mapt.workers import usable_cores

RECIPE = "recipe.json"


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
    done: Callable[[int], None] | None = None,
    recipe: Mapping[str, object] | None = None,
) -> None:
    """Render sequences 0 to `sequences` - 1 of `seed` into a folder, which appears whole or not at all.

    Args:
        folder: gets `training/image_02/<seq>/<frame>.png` and `panoptic_maps/<split>/<seq>/<frame>.png`.
        sequences: how many.
        frames: per sequence.
        size: (height, width) pixels.
        seed: of the dataset; the same numbers give the same bytes, whatever `workers`.
        fps: frames per second.
        split: name of the label folder.
        workers: processes; None: as many as there are cores that this one may use.
        rare: 0 for usual traffic, up to 1 for many trucks, buses, trams and two-wheelers.
        done: called with the number of finished sequences.
        recipe: written beside them as `recipe.json`.
    """
    count = min(workers or usable_cores(), sequences)
    with atomic_directory(folder) as root:
        if recipe is not None:
            (root / RECIPE).write_text(json.dumps(recipe))
        job = partial(_write_sequence, root, frames, size, seed, fps, split, rare)
        if count <= 1:
            threads = cv2.getNumThreads()
            try:
                for index in range(sequences):
                    job(index)
                    if done:
                        done(index + 1)
            finally:
                cv2.setNumThreads(threads)
            return
        _run_in_processes(job, sequences, count, done)


def _run_in_processes(
    job: Callable[[int], None], sequences: int, count: int, done: Callable[[int], None] | None
) -> None:
    """`job` of every sequence in `count` processes, which end at once where one fails or this one is interrupted."""
    context = get_context("spawn")
    ended, end = context.Pipe(duplex=False)
    with ended, end, ProcessPoolExecutor(count, context, _end_when_told, (ended,)) as pool:
        try:
            # Not `pool.map`, which cancels what is left: a pool whose workers end trips over cancelled work.
            for finished, future in enumerate([pool.submit(job, index) for index in range(sequences)], 1):
                future.result()
                if done:
                    done(finished)
        except BaseException:
            end.send(None)  # or leaving the pool would wait for all the sequences that were asked for
            raise


def _end_when_told(told: connection.Connection) -> None:
    """Let this worker end when something can be read, or with its parent: after a `kill -9` it would wait for ever."""
    parent = parent_process()
    assert parent is not None, "runs in workers only"

    def watch() -> None:
        connection.wait([told, parent.sentinel])  # nobody reads, so that every worker sees it
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_sequence(
    root: Path, frames: int, size: tuple[int, int], seed: int, fps: float, split: str, rare: float, index: int
) -> None:
    cv2.setNumThreads(1)
    name = f"{index:04d}"
    images, labels = root / "training" / "image_02" / name, root / "panoptic_maps" / split / name
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for number, frame in enumerate(render_sequence(seed, index, frames, size, fps, rare)):
        _write(images / f"{number:06d}.png", frame.image)
        _write(labels / f"{number:06d}.png", encode_step(frame.semantic, frame.instance))


def _write(path: Path, rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    if not cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise OSError(f"{path}: could not be written")
