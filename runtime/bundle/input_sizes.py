"""The input sizes of a bundle, and which of them suits a camera's frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mapt.runtime.bundle.manifest import find_root, read_manifest

if TYPE_CHECKING:
    from mapt.runtime.bundle.schema import WeightsEntry

Size = tuple[int, int]  # height, width
# Sizes that show a frame nearly as large are equally good; then the one with fewer pixels is taken.
NEARLY = 0.9


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
    return min(size[0] / frame[0], size[1] / frame[1])


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


def _pixels(size: Size) -> int:
    return size[0] * size[1]
