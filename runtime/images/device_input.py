"""Makes images the network's input in a GPU's memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.runtime.backends.cuda import CudaMemory, StreamMark, bindings
from mapt.runtime.images.arrays import DeviceArrayView
from mapt.runtime.images.device_array import allocate
from mapt.runtime.images.image import CameraImage
from mapt.runtime.images.kernel import ImageKernel, find_library, parameters
from mapt.runtime.monitoring.output_monitor import ImageSummary
from mapt.runtime.perception.preprocess import Letterbox


class DeviceInput:
    """The network's input in a GPU's memory, which every frame writes anew.

    Args:
        height: H of the input.
        width: W of the input.
        stream: of the backend that reads it; None: a stream of its own, for which that backend has
            to wait.
        beside: memory on that stream, if the backend has some; None: what is installed here.

    Attributes:
        memory: in which it lies.
        tensor: the input (1,H,W,3) uint8.
        host: page-locked memory for it on the host.

    Raises:
        InputError: no CUDA, or no memory for it.
    """

    def __init__(
        self,
        height: int,
        width: int,
        stream: int | None = None,
        beside: CudaMemory | None = None,
    ) -> None:
        self.size = (height, width)
        try:
            self.memory = beside.beside() if beside else CudaMemory(bindings(), stream)
            self.tensor = allocate(self.memory, (1, height, width, 3), np.uint8)
            self.host = self.memory.allocate_host(self.tensor.shape, np.uint8)
            self._summary = allocate(self.memory, (height, 2), np.uint32)
            self._summary_host = self.memory.allocate_host((height, 2), np.uint32)
            self._number = self.memory.device()
            self._written = StreamMark(self.memory)
        except RuntimeError as error:
            raise InputError(
                f"images and labels in a GPU's memory need CUDA, which cannot be used ({error});"
                " repair NVIDIA's driver, free memory, or keep to host arrays"
            ) from None
        self._kernel: ImageKernel | None = None
        self._workspace = 0

    def check(self, image: CameraImage) -> None:
        """Refuse an image that the kernel cannot read.

        Raises:
            InputError: its memory is no GPU's or another GPU's, or the kernel is not built.
        """
        for plane in _planes(image):
            place = self.memory.place_of(plane.address)
            if place != self._number:
                where = "no GPU's memory" if place is None else f"the memory of GPU {place}"
                raise InputError(
                    f"image is at an address in {where}, and the tracker works on GPU"
                    f" {self._number}; give it there, or a host array"
                )
        self.kernel()

    def upload(self) -> None:
        """Queue a copy of the page-locked memory to the device."""
        self.memory.upload(self.tensor.address, self.host)

    def write(self, image: CameraImage, letterbox: Letterbox) -> Callable[[float], ImageSummary]:
        """Queue the kernel on an image in a GPU's memory.

        Returns:
            What waits for it and tells, given `blind_range`, how the image looks; the image's owner
            may write it again from then on.

        Raises:
            InputError: the kernel's library is not built.
            RuntimeError: CUDA fails.
        """
        kernel = self.kernel()
        for plane in _planes(image):
            if plane.stream not in (None, self.memory.stream):
                self.memory.follow(plane.stream)
        told = parameters(image, letterbox, self.size, self.tensor.address, self._summary.address)
        kernel.preprocess(told, self._workspace, self.memory.stream)
        self.memory.download(self._summary_host, self._summary.address)
        self._written.mark()

        def summary(blind_range: float) -> ImageSummary:
            self._written.reach()
            return summarise(self._summary_host[: letterbox.inner_height], blind_range)

        return summary

    def download(self) -> NDArray[np.uint8]:
        """The input in page-locked memory of the host, valid until the next frame."""
        self.memory.download(self.host, self.tensor.address)
        self.memory.wait()
        return self.host

    def kernel(self) -> ImageKernel:
        """The kernels, loaded when they are first needed.

        Raises:
            InputError: they are not built.
            RuntimeError: CUDA has no memory for them.
        """
        if self._kernel is None:
            kernel = ImageKernel(find_library())
            self._workspace = self.memory.allocate(kernel.workspace(*self.size))
            self._kernel = kernel
        return self._kernel


def _planes(image: CameraImage) -> list[DeviceArrayView]:
    return [p for p in (image.pixels, image.chroma) if isinstance(p, DeviceArrayView)]


def summarise(rows: NDArray[np.uint32], blind_range: float) -> ImageSummary:
    """Join the kernel's summaries of the image's rows (h,2).

    Args:
        rows: least byte + 256 times the largest one, and a hash of a row.
        blind_range: grey levels that an image of one colour may span.
    """
    span = int(rows[:, 0].max() // 256) - int((rows[:, 0] % 256).min())
    return ImageSummary(span <= blind_range, zlib.crc32(np.ascontiguousarray(rows).data))
