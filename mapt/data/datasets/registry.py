"""Finds the labelled datasets that training can read, which the modules of this folder define."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mapt.data.datasets.bad_files import BadFiles

if TYPE_CHECKING:
    from mapt.data.triplet import TripletSource

Heights = tuple[float, float]
KITTI_HEIGHTS: Heights = (190.0, 420.0)


@dataclass(frozen=True)
class Dataset:
    """A dataset, which is the table `data.<name>` of a configuration.

    Attributes:
        name: the table's name.
        origin: names the dataset in the metadata of weights that were trained on it.
        open: opens the dataset. Its arguments are the root, the split, the intervals tau in frames,
            and the account of bad files. It raises InputError if the root has another layout.
        heights: the least and the largest height in pixels to which a frame is scaled before it is
            cropped.
        place: the position among the datasets, in rising order. The order decides which samples a
            seed draws.
    """

    name: str
    origin: str
    open: Callable[[Path, str, tuple[int, ...], BadFiles], TripletSource]
    heights: Heights = KITTI_HEIGHTS
    place: int = 100


@functools.cache
def find_datasets() -> tuple[Dataset, ...]:
    """Return the `DATASETS` of all modules of this folder, sorted by place and name."""
    found: list[Dataset] = []
    package = importlib.import_module(__package__ or "")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        found += getattr(importlib.import_module(f"{__package__}.{module.name}"), "DATASETS", ())
    return tuple(sorted(found, key=lambda dataset: (dataset.place, dataset.name)))
