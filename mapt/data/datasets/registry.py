"""The labelled datasets that training reads: each module of this folder may add some."""

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
    from mapt.data.triplet import Source

Heights = tuple[float, float]
KITTI_HEIGHTS: Heights = (190.0, 420.0)


@dataclass(frozen=True)
class Dataset:
    """A dataset, which a configuration names as the table `data.<name>`.

    Attributes:
        name: of the table.
        origin: what weights say that they were trained on.
        open: gives its samples of a root, a split and intervals tau in frames; files that cannot
            be read go to the last argument. Raises InputError where the root is not its layout.
        heights: pixels that a frame's height is scaled to before it is cropped, least and most.
        place: among the datasets, lower ones first. The order decides which samples a seed draws.
    """

    name: str
    origin: str
    open: Callable[[Path, str, tuple[int, ...], BadFiles], Source]
    heights: Heights = KITTI_HEIGHTS
    place: int = 100


@functools.cache
def find_datasets() -> tuple[Dataset, ...]:
    """Return what the modules of this folder name in `DATASETS`, in their order."""
    found: list[Dataset] = []
    package = importlib.import_module(__package__ or "")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        found += getattr(importlib.import_module(f"{__package__}.{module.name}"), "DATASETS", ())
    return tuple(sorted(found, key=lambda dataset: (dataset.place, dataset.name)))
