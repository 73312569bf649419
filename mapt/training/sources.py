"""Opens the datasets of a configuration.

Synthetic sequences are rendered when they are first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from rich.progress import Progress

from mapt.data.datasets.bad_files import BadFiles
from mapt.data.datasets.classes import translation
from mapt.data.datasets.kitti_step import open_step
from mapt.data.datasets.registry import Dataset, find_datasets
from mapt.data.labelled_video import Video
from mapt.data.samples import DatasetMix, SampleRule
from mapt.data.transforms import View
from mapt.data.triplet import TripletSource
from mapt.errors import InputError
from mapt.io.atomic_files import check_folder
from mapt.io.user_files import read_json
from mapt.training.config import DataConfig, DatasetTable, SyntheticData, TrainConfig

Part = SyntheticData | DatasetTable
Opener = Callable[[BadFiles], TripletSource]
NO_DATA = "set data.synthetic.sequences or the root of a dataset, e.g. data.step.root"


def build_samples(config: TrainConfig, folder: Path) -> SampleRule:
    """Open the datasets of a run.

    Args:
        config: the run's configuration.
        folder: the run's folder, into which synthetic sequences are rendered.

    Raises:
        InputError: no dataset is named, or one cannot be opened.
    """
    found = [(part, opener) for _, part, opener in datasets(config.data, folder)]
    if not found:
        raise InputError(f"no training data; {NO_DATA}")
    check_weights(part for part, _ in found)  # before anything is rendered or read
    return sample_rule(
        config, [(part, opener(BadFiles(config.data.skip_bad))) for part, opener in found]
    )


def datasets(data: DataConfig, folder: Path) -> Iterator[tuple[str, Part, Opener]]:
    """Yield name, table and opener of every dataset that is used.

    Datasets on disk come before those that are rendered, because they are faster to check.
    """
    yield from open_labelled(data)
    for name, part in synthetic_sets(data):
        root = Path(part.root) if part.root else folder / name
        yield name, part, partial(_open_synthetic, data, part, root)


def open_labelled(data: DataConfig) -> Iterator[tuple[str, Part, Opener]]:
    """Yield name, table and opener of every labelled dataset that is used."""
    for dataset in find_datasets():
        table: DatasetTable = getattr(data, dataset.name)
        if table.root:
            yield dataset.name, table, partial(_open, dataset, table, data.intervals)


def synthetic_sets(data: DataConfig) -> list[tuple[str, SyntheticData]]:
    """Return name and table of the synthetic sets that are used."""
    sets = {
        "synthetic": data.synthetic,
        "synthetic_small": data.synthetic_small,
        "synthetic_rare": data.synthetic_rare,
    }
    return [(name, part) for name, part in sets.items() if part.sequences]


def _open(
    dataset: Dataset, table: DatasetTable, intervals: tuple[int, ...], bad: BadFiles
) -> TripletSource:
    return dataset.open(Path(table.root), table.split, intervals, bad)


def _open_synthetic(
    data: DataConfig, part: SyntheticData, root: Path, bad: BadFiles
) -> TripletSource:
    return open_step(render_once(part, root), "train", data.intervals, bad=bad)


def check_weights(parts: Iterable[Part]) -> None:
    """Check that a dataset has a share of the samples.

    Raises:
        InputError: the weight of every dataset is 0.
    """
    if not any(part.weight for part in parts):
        raise InputError(
            "every dataset has weight 0; set data.<dataset>.weight above 0 for one of them"
        )


def sample_rule(config: TrainConfig, sources: list[tuple[Part, TripletSource]]) -> SampleRule:
    """Build the rule by which samples are drawn from opened datasets.

    Args:
        config: the run's configuration.
        sources: the table and the source of each dataset.

    Raises:
        InputError: a dataset shares no class with the network, or a label is bad. Labels are read
            if rare classes are repeated.
    """
    data = config.data
    model = config.model
    shares = []
    for part, source in sources:
        chances = None
        if data.repeat and isinstance(source, Video):
            factors = source.repeat_factors(data.repeat)
            chances = factors / factors.sum()
        views = tuple(View(*crop, part.heights) for crop in config.crops)
        shares.append(
            DatasetMix(
                source, part.weight, views, chances, translation(source.labels, model.class_names)
            )
        )
    single = not {"motion", "appearance"} & set(config.heads)
    return SampleRule(
        tuple(shares),
        model.things,
        data.augmentation,
        data.static,
        config.seed,
        data.skip_bad,
        single,
    )


def render_once(data: SyntheticData, folder: Path) -> Path:
    """Render the training sequences into a folder that does not hold them yet.

    Args:
        data: describes the sequences.
        folder: receives them.

    Returns:
        The folder.

    Raises:
        InputError: the user named the folder, and it holds something else.
    """
    from mapt.synthetic import write_dataset

    asked = _recipe(data)
    if not check_rendered(data, folder):
        size = (data.height, data.width)
        with Progress() as progress:
            task = progress.add_task("rendering sequences", total=data.sequences)
            write_dataset(
                folder,
                data.sequences,
                data.frames,
                size,
                data.seed,
                data.fps,
                "train",
                rare=data.rare,
                on_progress=lambda count: progress.update(task, completed=count),
                recipe=asked,
                style=data.style,
            )
    return folder


def check_rendered(data: SyntheticData, folder: Path) -> bool:
    """Tell whether the sequences that are asked for are already in the folder.

    Raises:
        InputError: the user named the folder, and it is a file or holds something else.
    """
    asked = _recipe(data)
    there = _read_recipe(folder)
    if there == asked:
        return True
    if data.root:
        check_folder(folder, str(folder))
        if folder.exists() and any(folder.iterdir()):
            raise InputError(
                f"{folder}: {_difference(there, asked)}; "
                "name a new folder, or read this one as it is with data.step.root"
            )
    return False


def _recipe(data: SyntheticData) -> dict[str, object]:
    """Return the settings that decide what is rendered."""
    # Recipes of usual traffic lack the key `rare`, and those of plain streets `style`, because
    # older releases wrote them without these.
    usual = {"rare"} if not data.rare else set()
    plain = {"style"} if data.style == "plain" else set()
    return data.model_dump(exclude={"weight", "root", "heights"} | usual | plain)


def _read_recipe(folder: Path) -> dict[str, object] | None:
    """Return the settings that a folder was rendered with; None if they cannot be read."""
    from mapt.synthetic.dataset import RECIPE

    try:
        recipe = read_json(folder / RECIPE)
    except InputError:
        return None
    return recipe if isinstance(recipe, dict) else None


def _difference(there: dict[str, object] | None, asked: dict[str, object]) -> str:
    if there is None:
        return "is not empty and holds no rendered sequences"
    keys = [key for key in {**there, **asked} if there.get(key) != asked.get(key)]
    return "holds other sequences: " + ", ".join(
        f"{key} {there.get(key, 'not set')} (asked: {asked.get(key, 'none')})" for key in keys
    )
