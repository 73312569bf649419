"""Finds missing files and folders of a run before anything is built, rendered or loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mapt.data.datasets.bad_files import BadFiles
from mapt.errors import InputError
from mapt.evaluation.evaluate import choose_sequences
from mapt.io.atomic_files import check_folder
from mapt.model.weights import check_weight_file
from mapt.training.config import TrainConfig
from mapt.training.sources import check_rendered, open_labelled, synthetic_sets


def missing_paths(config: TrainConfig, out: Path, init: Path | None) -> list[str]:
    """Look at every path of a run.

    Files are listed and not read, so it takes seconds where the whole dry run takes minutes.

    Args:
        config: names the datasets, the validation set and the teacher.
        out: the run's folder.
        init: weights to start from.

    Returns:
        One line for each path that is not what the run needs.
    """
    missing = list[str]()
    for look in _looks(config, out, init):
        try:
            look()
        except InputError as error:
            missing.append(str(error))
    return missing


def _looks(config: TrainConfig, out: Path, init: Path | None) -> Iterator[Callable[[], object]]:
    """Yield a call for each path, which raises InputError where the path is not usable."""
    yield partial(check_folder, out, "--out")
    if init:
        yield partial(check_weight_file, init)
    if config.teacher:
        yield partial(check_weight_file, Path(config.teacher))
    validation = config.evaluation
    if validation.root:
        root = Path(validation.root)
        yield partial(choose_sequences, root, validation.split, validation.sequences)
    for _, _, opener in open_labelled(config.data):
        yield partial(opener, BadFiles(config.data.skip_bad))
    for _, part in synthetic_sets(config.data):
        if part.root:
            yield partial(check_rendered, part, Path(part.root))
