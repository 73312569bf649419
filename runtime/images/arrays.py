"""Reads an array of any library where it lies: in the host's memory, or in a GPU's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.errors import InputError
from mapt.runtime.images.dlpack import CUDA_DEVICES, DlpackTensor, device_of

LEGACY_STREAM = 1  # CUDA's default stream, as both protocols name it


@dataclass(frozen=True)
class DeviceArrayView:
    """An array of bytes in a GPU's memory, which belongs to somebody else.

    Attributes:
        address: of its first element.
        shape: elements by axis.
        strides: bytes from element to element, by axis.
        stream: on which its owner wrote it last; None: whoever reads it need not wait.
        owner: what it was read from, which keeps the memory alive.
    """

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    stream: int | None
    owner: object

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


Plane = NDArray[np.uint8] | DeviceArrayView


def read_array(array: object, needs: str, stream: int | None = None) -> Plane:
    """The array without a copy.

    Args:
        array: a NumPy array, or what has `__cuda_array_interface__`, or `__dlpack__` and
            `__dlpack_device__`.
        needs: what is needed instead, for the message.
        stream: on which a GPU will read it, where that is known: DLPack lets it wait for the owner.

    Raises:
        InputError: it is no such array, not of uint8, or of a device that cannot be read.
    """
    if isinstance(array, np.ndarray):
        return _checked(array, needs)
    if hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__"):
        return _from_dlpack(array, needs, stream)
    try:
        interface = getattr(array, "__cuda_array_interface__", None)
    except Exception as error:  # PyTorch raises where it cannot give one
        raise InputError(f"image is {kind(array)} that gives no array ({error}); {needs}") from None
    if interface is None:
        raise InputError(f"image is {kind(array)}; {needs}")
    return _from_interface(array, interface, needs)


def is_device(array: object) -> bool:
    """Tell whether an array lies in a GPU's memory, without reading it."""
    if isinstance(array, np.ndarray):
        return False
    if hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__"):
        return device_of(array)[0] in CUDA_DEVICES
    return hasattr(array, "__cuda_array_interface__")


def kind(array: object) -> str:
    """Name the type of something that is no image: "list", "torch.Tensor"."""
    name = type(array)
    return name.__name__ if name.__module__ == "builtins" else f"{name.__module__}.{name.__name__}"


def _checked(array: NDArray[Any], needs: str) -> NDArray[np.uint8]:
    if array.dtype != np.uint8:
        raise InputError(f"image is {array.dtype} {array.shape}; {needs}")
    return array


def _from_dlpack(array: Any, needs: str, stream: int | None) -> Plane:
    device, number = device_of(array)
    try:
        if device not in CUDA_DEVICES:
            return _checked(np.from_dlpack(array), needs)
        tensor = DlpackTensor(array.__dlpack__(stream=stream or LEGACY_STREAM))
    except InputError:
        raise
    except Exception as error:  # what an exporter raises has no common class
        text = str(error).strip().partition("\n")[0]
        raise InputError(
            f"image is {kind(array)} on DLPack device {device}:{number} that cannot be read"
            f" ({text}); {needs}"
        ) from None
    if not tensor.is_uint8:
        raise InputError(f"image is {tensor.dtype} {tensor.shape}; {needs}")
    return DeviceArrayView(
        tensor.address,
        tensor.shape,
        tensor.strides,
        None if stream else LEGACY_STREAM,
        (array, tensor),
    )


def _from_interface(array: object, interface: Mapping[str, Any], needs: str) -> DeviceArrayView:
    shape = tuple(int(n) for n in interface["shape"])
    if np.dtype(interface["typestr"]) != np.uint8:
        raise InputError(f"image is {np.dtype(interface['typestr'])} {shape}; {needs}")
    if interface.get("mask") is not None:
        raise InputError(f"image is {kind(array)} with a mask; {needs}")
    strides = interface.get("strides") or contiguous(shape)
    stream = interface.get("stream")
    if stream == 0:
        raise InputError(f"image is {kind(array)} of stream 0, which says nothing; {needs}")
    return DeviceArrayView(
        int(interface["data"][0] or 0), shape, tuple(int(n) for n in strides), stream, array
    )


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of bytes in the order of C."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
