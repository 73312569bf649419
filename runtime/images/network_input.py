"""Makes any image that a host gives the network's input, where the backend reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mapt.contract import ModelInfo, Thresholds
from mapt.runtime.backends.cuda import CudaMemory
from mapt.runtime.errors import StepError, documented
from mapt.runtime.images.device_input import DeviceInput
from mapt.runtime.images.image import CameraImage, PixelFormat, host_pixels, read_image
from mapt.runtime.monitoring.output_monitor import ImageSummary, look_at
from mapt.runtime.perception.preprocess import Letterbox, to_input
from mapt.runtime.perception.workspace import Workspace


@dataclass(frozen=True)
class NetworkInput:
    """An image as the network reads it.

    Attributes:
        tensor: (1,H,W,3) uint8 RGB, a NumPy array or a `DeviceArray`, valid until the next image.
        look: tells, perhaps after waiting for a GPU, how it looks without the network.
    """

    tensor: Any
    look: Callable[[], ImageSummary]


class InputMaker:
    """Makes the images of one camera the network's input.

    Args:
        info: of the network.
        workspace: memory that is used again.
        stream: on which the backend runs, if it takes inputs in a GPU's memory; None: it takes
            arrays of the host.
        memory: that the backend has on this stream, if any.

    Raises:
        InputError: with a stream, CUDA has no memory for the input.
    """

    def __init__(
        self,
        info: ModelInfo,
        workspace: Workspace,
        stream: int | None = None,
        memory: CudaMemory | None = None,
    ) -> None:
        self.info = info
        self.workspace = workspace
        self.stream = stream
        self._memory = memory if stream is not None else None
        self._device: DeviceInput | None = None
        if stream is not None:
            self.on_device()

    @documented(StepError, "the image cannot be read", "frame dropped")
    def read(self, image: object, pixel_format: PixelFormat) -> CameraImage:
        """Check an image, see `read_image`.

        Raises:
            InputError: it is none, or in a GPU's memory that cannot be read here.
            StepError: CUDA fails.
        """
        read = read_image(image, pixel_format, lambda: self.on_device().memory.stream)
        if read.on_device:
            self.on_device().check(read)
        return read

    def make(self, image: CameraImage, letterbox: Letterbox) -> NetworkInput:
        """Make an image the network's input, on the device if the backend reads it there.

        Raises:
            RuntimeError: CUDA fails.
        """
        limits = self.info.thresholds
        if image.on_device:
            return self._from_device(image, letterbox, limits)
        device = self.on_device() if self.stream is not None else None
        pixels, bgr = host_pixels(image, self.workspace)
        made = to_input(
            pixels,
            letterbox,
            self.info.height,
            self.info.width,
            self.workspace,
            bgr=bgr,
            out=device.host if device else None,
        )
        seen = look_at(made, letterbox, limits)
        if device:
            device.upload()
        return NetworkInput(device.tensor if device else made, lambda: seen)

    def _from_device(
        self, image: CameraImage, letterbox: Letterbox, limits: Thresholds
    ) -> NetworkInput:
        device = self.on_device()
        look = device.write(image, letterbox)
        tensor = device.tensor if self.stream is not None else device.download()
        return NetworkInput(tensor, lambda: look(limits.blind_range))

    def on_device(self) -> DeviceInput:
        """The input in a GPU's memory, made when it is first needed.

        Raises:
            InputError: CUDA cannot be used.
        """
        if self._device is None:
            self._device = DeviceInput(self.info.height, self.info.width, self.stream, self._memory)
        return self._device
