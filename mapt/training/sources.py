"""The datasets of a configuration; synthetic sequences are rendered when they are first needed."""

from __future__ import annotations

from pathlib import Path

from mapt.data.camvid import CamVid
from mapt.data.kitti_step import KittiStep
from mapt.data.loader import SampleRule
from mapt.data.triplet import Source
from mapt.errors import InputError
from mapt.training.config import SyntheticData, TrainConfig


def build_samples(config: TrainConfig, folder: Path) -> SampleRule:
    """The samples of a run whose outputs lie in `folder`.

    Raises:
        InputError: no dataset is named, or one is not what it should be.
    """
    data = config.data
    sources: list[Source] = []
    weights: list[float] = []
    if data.synthetic.sequences:
        root = render_once(data.synthetic, folder / "synthetic")
        sources.append(KittiStep(root, "train", data.intervals))
        weights.append(data.synthetic.weight)
    if data.step.root:
        sources.append(KittiStep(Path(data.step.root), data.step.split, data.intervals))
        weights.append(data.step.weight)
    if data.camvid.root:
        sources.append(CamVid(Path(data.camvid.root)))
        weights.append(data.camvid.weight)
    if not sources:
        raise InputError("no training data: set data.synthetic.sequences, data.step.root or data.camvid.root")
    model = config.model
    return SampleRule(
        sources, weights, model.height, model.width, model.things, data.augmentation, data.static, config.seed
    )


def render_once(data: SyntheticData, folder: Path) -> Path:
    """Render the training sequences into `folder` unless a matching set is already there."""
    from mapt.data.synthetic import write_dataset

    stamp = folder / "recipe.json"
    recipe = data.model_dump_json(exclude={"weight"})
    if not (stamp.is_file() and stamp.read_text() == recipe):
        write_dataset(
            folder, data.sequences, data.frames, (data.height, data.width), data.seed, fps=data.fps, split="train"
        )
        stamp.write_text(recipe)
    return folder
