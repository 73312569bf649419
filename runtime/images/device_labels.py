"""Label maps at the image's size in a GPU's memory."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.runtime.images.device_array import DeviceArray, allocate
from mapt.runtime.images.device_input import DeviceInput
from mapt.runtime.images.kernel import RenderLabels
from mapt.runtime.perception.preprocess import Letterbox, to_image

Pair = tuple[DeviceArray, DeviceArray]  # train ids uint8 and track ids int32


Addresses = tuple[int, int]


@dataclass(frozen=True)
class _Layout:
    """What images of one size need: the nearest pixels, and memory that nobody holds now."""

    rows: DeviceArray
    columns: DeviceArray
    free: list[Addresses] = field(default_factory=list)


class LabelEnlarger:
    """Brings the label maps of one camera to its images' size, on a GPU.

    The maps that it gives belong to the caller. Their memory is used again when nobody holds them.

    Args:
        device: the camera's input on the GPU.

    Raises:
        InputError: the kernel is not built, or CUDA has no memory.
    """

    def __init__(self, device: DeviceInput) -> None:
        self._memory = device.memory
        self._size = device.size
        self._layouts: dict[Letterbox, _Layout] = {}
        try:
            self._kernel = device.kernel()
            self._inputs = [self._staged(device.size, dtype) for dtype in (np.uint8, np.int32)]
        except RuntimeError as error:
            raise InputError(
                f"labels in a GPU's memory: CUDA has none left ({error}); free some, or take"
                " labels='host'"
            ) from None

    def enlarge(self, maps: tuple[NDArray[Any], NDArray[Any]], letterbox: Letterbox) -> Pair:
        """Queue the enlargement of maps (H,W), and wait for it.

        Args:
            maps: train ids and track ids at the network's resolution.
            letterbox: where the image lies in them.

        Returns:
            Both (h,w), pixel by pixel what `to_image` gives.

        Raises:
            RuntimeError: CUDA fails.
        """
        layout = self._layout(letterbox)
        semantic, instance = self._take(letterbox, layout.free)
        for (host, device), values in zip(self._inputs, maps, strict=True):
            np.copyto(host, values)
            self._memory.upload(device.address, host)
        told = RenderLabels(
            self._inputs[0][1].address,
            self._inputs[1][1].address,
            layout.rows.address,
            layout.columns.address,
            semantic.address,
            instance.address,
            self._size[1],
            *semantic.shape,
        )
        self._kernel.render_labels(told, self._memory.stream)
        self._memory.wait()
        return semantic, instance

    def _staged(self, shape: tuple[int, ...], dtype: Any) -> tuple[NDArray[Any], DeviceArray]:
        """Page-locked memory, and memory of the device for its content."""
        return self._memory.allocate_host(shape, dtype), allocate(self._memory, shape, dtype)

    def _layout(self, letterbox: Letterbox) -> _Layout:
        """What images of a size need; the first of them finds the nearest pixels as `to_image`."""
        if letterbox not in self._layouts:
            grid = np.indices(self._size, np.int32)
            near = to_image(grid[0], letterbox)[:, 0], to_image(grid[1], letterbox)[0]
            found = []
            for places in near:
                host, device = self._staged(places.shape, np.int32)
                np.copyto(host, places)
                self._memory.upload(device.address, host)
                found.append(device)
            self._layouts[letterbox] = _Layout(found[0], found[1])
        return self._layouts[letterbox]

    def _take(self, letterbox: Letterbox, pool: list[Addresses]) -> Pair:
        """Memory for a pair of maps, which comes back when nobody holds either of them."""
        shape = (letterbox.height, letterbox.width)
        if pool:
            addresses = pool.pop()
        else:
            made = [allocate(self._memory, shape, dtype) for dtype in (np.uint8, np.int32)]
            addresses = (made[0].address, made[1].address)
        semantic = DeviceArray(addresses[0], shape, np.dtype(np.uint8), self._memory)
        instance = DeviceArray(addresses[1], shape, np.dtype(np.int32), self._memory)
        ended: list[None] = []
        for array in (semantic, instance):
            weakref.finalize(array, _give_back, pool, addresses, ended).atexit = False
        return semantic, instance


def _give_back(pool: list[Addresses], addresses: Addresses, ended: list[None]) -> None:
    """Give the memory of a pair back, when the second of its arrays has ended."""
    ended.append(None)
    if len(ended) == 2:
        pool.append(addresses)
