"""The datasets of a configuration; synthetic sequences are rendered when they are first needed."""

from __future__ import annotations

from pathlib import Path

from rich.progress import Progress

from mapt.data.camvid import CamVid
from mapt.data.kitti_step import KittiStep
from mapt.data.loader import SampleRule, Share
from mapt.data.transforms import View
from mapt.data.triplet import Source
from mapt.errors import InputError
from mapt.training.config import CamVidData, StepData, SyntheticData, TrainConfig


def build_samples(config: TrainConfig, folder: Path) -> SampleRule:
    """The samples of a run whose outputs lie in `folder`.

    Raises:
        InputError: no dataset is named, or one is not what it should be.
    """
    data, model = config.data, config.model
    shares: list[Share] = []

    def add(source: Source, part: SyntheticData | StepData | CamVidData) -> None:
        chances = None
        if data.repeat and isinstance(source, KittiStep):
            factors = source.repeat_factors(data.repeat)
            chances = factors / factors.sum()
        shares.append(Share(source, part.weight, View(model.height, model.width, part.heights), chances))

    # What costs nothing to check comes before what takes minutes to render.
    if data.step.root:
        add(KittiStep(Path(data.step.root), data.step.split, data.intervals), data.step)
    if data.camvid.root:
        add(CamVid(Path(data.camvid.root)), data.camvid)
    if data.synthetic.sequences:
        root = Path(data.synthetic.root) if data.synthetic.root else folder / "synthetic"
        add(KittiStep(render_once(data.synthetic, root), "train", data.intervals), data.synthetic)
    if not shares:
        raise InputError("no training data: set data.synthetic.sequences, data.step.root or data.camvid.root")
    if not sum(share.weight for share in shares):
        raise InputError("every dataset has weight 0; set data.<dataset>.weight above 0 for one of them")
    return SampleRule(tuple(shares), model.things, data.augmentation, data.static, config.seed)


def render_once(data: SyntheticData, folder: Path) -> Path:
    """Render the training sequences into `folder` unless a matching set is already there.

    Raises:
        InputError: a folder that the user named holds something else.
    """
    from mapt.data.synthetic import write_dataset

    stamp = folder / "recipe.json"
    recipe = data.model_dump_json(exclude={"weight", "root", "heights"})
    if not (stamp.is_file() and stamp.read_text() == recipe):
        if data.root and folder.exists() and any(folder.iterdir()):
            raise InputError(
                f"{folder}: holds other data than data.synthetic describes; "
                "name a new folder, or read this one as it is with data.step.root"
            )
        size = (data.height, data.width)
        with Progress() as progress:
            task = progress.add_task("rendering sequences", total=data.sequences)
            write_dataset(
                folder, data.sequences, data.frames, size, data.seed, data.fps, "train",
                done=lambda count: progress.update(task, completed=count),
            )  # fmt: skip
        stamp.write_text(recipe)
    return folder
