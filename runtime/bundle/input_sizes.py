"""The input sizes of a bundle, and which of them suits a camera's frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mapt.runtime.bundle.manifest import find_root, read_manifest

if TYPE_CHECKING:
    from mapt.runtime.bundle.schema import WeightsEntry

Size = tuple[int, int]  # height, width
# Sizes that show a frame nearly as large are equally good; then the one with fewer pixels is taken.
NEARLY = 0.9
UNCHANGED = 1.05  # up to this scale, preprocessing does not enlarge a frame
MULTIPLE = 32  # of every side of an input
LONGEST = 8192  # pixels of a side that is proposed
DIFFERENT = 0.7  # of the pixels of the next larger size, at most
BUDGETS = (480_000, 256_000, 66_000)  # pixels: what is accurate, between both, and quick


@dataclass(frozen=True)
class InputSizes:
    """What a bundle offers, before it is loaded.

    Attributes:
        folder: the bundle.
        sizes: (height, width) of every input, the default first.
        source: the weights that it was exported from, where the manifest names them.
        several: the bundle has a folder for each of them; else it is one.
    """

    folder: Path
    sizes: tuple[Size, ...]
    source: WeightsEntry | None
    several: bool

    def path(self, size: Size) -> Path:
        """Return the path under which `read_bundle` opens one size."""
        return self.folder / written(size) if self.several else self.folder


def read_sizes(folder: Path, trust: Path | None = None) -> InputSizes:
    """Read the sizes of a bundle from its manifest.

    Args:
        folder: the bundle, or `BUNDLE/HxW`, which offers this size alone.
        trust: see `mapt.runtime.bundle.manifest.read_bundle`.

    Raises:
        InputError: no bundle; see `mapt.runtime.bundle.manifest.read_bundle`.
    """
    from mapt.runtime.bundle.schema import SizesManifest

    root, name = find_root(folder)
    manifest = read_manifest(root, trust)
    if not isinstance(manifest, SizesManifest):
        return InputSizes(folder, ((manifest.height, manifest.width),), None, several=False)
    own = [entry for entry in manifest.inputs if name in ("", entry.size, entry.name)]
    sizes = tuple(dict.fromkeys((entry.height, entry.width) for entry in own))
    return InputSizes(folder, sizes, manifest.weights, several=not name)


def written(size: Size) -> str:
    """Return a size as text, HxW."""
    return f"{size[0]}x{size[1]}"


def scale_in(frame: Size, size: Size) -> float:
    """Return the input pixels per pixel of a frame, along a side, where its aspect is kept."""
    scale = min(size[0] / frame[0], size[1] / frame[1])
    return 1.0 if 1 <= scale < UNCHANGED else scale


def used_share(frame: Size, size: Size) -> float:
    """Return the share of the input that a frame fills."""
    return scale_in(frame, size) ** 2 * frame[0] * frame[1] / (size[0] * size[1])


def rank_sizes(frame: Size, sizes: tuple[Size, ...]) -> list[Size]:
    """Return the sizes that are worth their time for a frame, the best first.

    The best shows the frame largest. Each further one costs less than the one before.
    """
    ranked = list[Size]()
    left = list(sizes)
    while left:
        largest = max(scale_in(frame, size) for size in left)
        good = [size for size in left if scale_in(frame, size) >= NEARLY * largest]
        best = min(good, key=_pixels)
        ranked.append(best)
        left = [size for size in left if _pixels(size) < _pixels(best)]
    return ranked


def propose_sizes(frame: Size) -> tuple[Size, ...]:
    """Return sizes that a frame of this shape fills, the largest first.

    They show the frame at most twice as large as it is.
    """
    most = _pixels((_up(2 * frame[0]), _up(2 * frame[1])))
    found = list[Size]()
    for budget in BUDGETS:
        if found and budget > DIFFERENT * _pixels(found[-1]):
            continue
        limit = max(1.05 * min(budget, most), MULTIPLE**2)
        rows = range(MULTIPLE, LONGEST + 1, MULTIPLE)
        options = [(height, width) for height in rows for width in _widths(frame, height, limit)]
        found.append(max(options, key=lambda size: _worth(frame, size)))
    return tuple(dict.fromkeys(found))


def _widths(frame: Size, height: int, limit: float) -> Iterator[int]:
    """Yield the widths for a height that come nearest to a frame's shape, within the limit."""
    widest = min(int(limit / height) // MULTIPLE * MULTIPLE, LONGEST)
    width = _up(height * frame[1] / frame[0])
    for near in (width, width - MULTIPLE, widest):
        if MULTIPLE <= near <= widest:
            yield near


def _worth(frame: Size, size: Size) -> float:
    """Return the pixels of an input that a frame fills, less twice those that it does not."""
    return _pixels(size) * (3 * used_share(frame, size) - 2)


def _up(side: float) -> int:
    return max(1, math.ceil(side / MULTIPLE)) * MULTIPLE


def _pixels(size: Size) -> int:
    return size[0] * size[1]
