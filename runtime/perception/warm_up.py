"""Warms a tracker up while it is loaded, so that its first frames are not slow.

The warm-up covers imports, memory and the first run of every session. Each subgraph runs once, on
the golden picture or on zeros. The code around the networks steps through three frames of a fixed
scene. It has one object that is matched by its mask, and one that is matched by its embedding.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import BY_NAME, SUBGRAPHS, ModelInfo
from mapt.errors import InputError
from mapt.runtime.backends.ort_providers import brief
from mapt.runtime.backends.protocol import Backend, Tensors

if TYPE_CHECKING:
    from mapt.runtime.tracker import PanopticTracker

SCIPY = (
    256 << 20
)  # bytes of address space that its libraries and their buffers take, with room to spare
FRAMES = 3  # births, the first association, and one with moving objects
PERIOD = 100_000_000  # ns


class Scene:
    """A network that sees two still objects.

    Args:
        info: of the network whose place it takes.
    """

    name = "scene"

    def __init__(self, info: ModelInfo) -> None:
        self.info = info
        self.providers = dict.fromkeys(BY_NAME, self.name)

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`."""
        out = _zeros(self.info, subgraph, outputs=True)
        if subgraph == "instance":
            self._show(out)
        if subgraph == "motion":
            out["propagated"][:] = np.where(inputs["masks_prev"] > 0, 9, -9)
            out["propagated"][1:] = -9  # the second object is known by its look alone
        if subgraph == "appearance":
            out["embeddings"][:, 0] = 1
        return out

    def _show(self, out: Tensors) -> None:
        """Fill the instance head's first rows.

        The objects lie side by side in the upper half of the input.
        """
        height = self.info.height
        width = self.info.width
        rows = out["count"][0] = min(2, self.info.sizes["D"])
        for row in range(rows):
            left = row * width // 2
            right = (row + 1) * width // 2
            out["boxes"][row] = left, 0, right, height // 2
            out["masks8"][row, 0, : height // 16, left // 8 : right // 8] = 1
        out["scores"][:rows] = 1
        out["classes"][:rows] = self.info.things[0]
        out["mask_logits"][:rows] = 9


def import_scipy() -> None:
    """Import the modules of the association, which takes half a second.

    Otherwise the second frame would be delayed by it.

    Raises:
        OSError: there is no memory for it. OpenBLAS, which it loads, would ask again for ever.
    """
    if "scipy.optimize" not in sys.modules:
        mmap.mmap(-1, SCIPY).close()  # reserved, not touched
    import scipy.optimize  # noqa: F401


def run_blank(backend: Backend) -> None:
    """Run every subgraph once, on zeros.

    Raises:
        InputError: one does not run.
    """
    for spec in SUBGRAPHS:
        try:
            backend.run(spec.name, _zeros(backend.info, spec.name, outputs=False))
        except Exception as error:  # its errors have no common class
            raise InputError(
                f"{spec.name} fails ({brief(error)}); try another device or backend"
            ) from error


def rehearse(tracker: PanopticTracker) -> None:
    """Step a tracker of a `Scene` through its frames.

    The frames have another size than the network's input, so that they are resized.
    """
    info = tracker.backend.info
    image = np.zeros((info.height // 2, info.width // 2, 3), np.uint8)
    for number in range(FRAMES):
        image[:] = 0
        image[:, number::FRAMES] = 255
        tracker.step(image, number * PERIOD, deadline_ms=1e9)


def _zeros(info: ModelInfo, subgraph: str, outputs: bool) -> Tensors:
    spec = BY_NAME[subgraph]
    return {
        t.name: np.zeros(t.resolve(info.sizes), t.dtype)
        for t in (spec.outputs if outputs else spec.inputs)
    }
