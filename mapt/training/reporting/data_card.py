"""Describes the training data of weights, for their metadata."""

from __future__ import annotations

from pathlib import Path

from mapt.data.datasets.registry import find_datasets
from mapt.model.weights import read_card
from mapt.training.checkpoint import checkpoints
from mapt.training.config import DatasetTable, TrainConfig
from mapt.training.sources import synthetic_sets

BEFORE = "; before that: "  # separates a run's data from those of the weights it started from


def data_card(config: TrainConfig, folder: Path, init: Path | None) -> str:
    """Describe the data on which the weights of a run are trained.

    The description includes the data of the weights that the run started from, and of its teacher,
    because their licences apply too.

    Args:
        config: the run's configuration.
        folder: the run's folder.
        init: the weights that it starts from.

    Raises:
        InputError: a weight file cannot be read.
    """
    stages = [describe(config)]
    if config.teacher:  # what the teacher saw shows in its pupil
        stages += _stages(Path(config.teacher))
    written = folder / "weights.safetensors"
    if init:
        stages += _stages(init)
    elif checkpoints(folder) and written.is_file():
        # The run is resumed, and its initial weights are not named again.
        stages += _stages(written)[1:]
    return BEFORE.join(dict.fromkeys(stages))


def _stages(weights: Path) -> list[str]:
    """Return what weights were trained on, the latest stage first."""
    return read_card(weights).get("data", "unknown data").split(BEFORE)


def describe(config: TrainConfig) -> str:
    """Describe the training data of a configuration, without paths, for the weights' metadata."""
    data = config.data
    parts = []
    for _, part in synthetic_sets(data):
        size = f"{part.height}x{part.width}"
        rare = f", rare traffic {part.rare:g}" if part.rare else ""
        kind = "" if part.style == "plain" else f"{part.style} "
        parts.append(
            f"{kind}synthetic streets ({part.sequences} x {part.frames} frames, {size}, seed"
            f" {part.seed}{rare})"
        )
    for dataset in find_datasets():
        table: DatasetTable = getattr(data, dataset.name)
        if table.root:
            parts.append(f"{dataset.origin} ({table.split})")
    return " + ".join(parts)
