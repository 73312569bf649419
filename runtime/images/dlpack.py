"""Reads DLPack capsules of a GPU's memory, which NumPy does not.

Source: `dlpack.h`, the struct DLManagedTensor of version 0.8, which every exporter gives a consumer
that names no newer one.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

from mapt.errors import InputError

CUDA_DEVICES = (2, 13)  # kDLCUDA, kDLCUDAManaged
UNSIGNED = 1  # kDLUInt
TYPES = {0: "int", UNSIGNED: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}
CAPSULE = b"dltensor"


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = (ctypes.py_object, ctypes.c_char_p)


def device_of(array: Any) -> tuple[int, int]:
    """DLPack's type and number of the device that an array lies on.

    Raises:
        InputError: it does not say.
    """
    try:
        device, number = array.__dlpack_device__()
        return int(device), int(number)
    except Exception as error:  # what an exporter raises has no common class
        raise InputError(f"image is an array of no known device ({error})") from None


class DlpackTensor:
    """What a capsule describes.

    The capsule is not consumed: its own destructor gives the memory back, when this object ends.

    Args:
        capsule: from `__dlpack__`.

    Attributes:
        address: of the first element.
        device: number of the device.
        shape: elements by axis.
        strides: bytes from element to element, by axis.
        dtype: as NumPy would name it.
        is_uint8: elements are single bytes without sign.

    Raises:
        ValueError: it is no DLPack capsule.
    """

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule
        tensor = _Tensor.from_address(_pointer_of(capsule, CAPSULE))
        self.device = int(tensor.device_id)
        self.address = int(tensor.data or 0) + int(tensor.byte_offset)
        self.shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
        self.dtype = f"{TYPES.get(tensor.code, 'other')}{tensor.bits}"
        self.is_uint8 = (tensor.code, tensor.bits, tensor.lanes) == (UNSIGNED, 8, 1)
        size = tensor.bits * tensor.lanes // 8
        elements = (
            [tensor.strides[axis] for axis in range(tensor.ndim)]
            if tensor.strides
            else [math.prod(self.shape[axis + 1 :]) for axis in range(tensor.ndim)]
        )
        self.strides = tuple(size * step for step in elements)
