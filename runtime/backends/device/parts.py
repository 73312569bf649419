"""Parts of tensors on a device: one image's share of a tensor for several images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import TensorSpec
from mapt.runtime.backends.device.tensors import ResidentTensor


class ResidentPart(ResidentTensor):
    """A tensor in the memory of another, which stays in use as long as the part does.

    Args:
        whole: (batch,...).
        spec: of the part, as a graph for one image names it.
        shape: of the part.
        place: of its image in the batch.
    """

    def __init__(
        self, whole: ResidentTensor, spec: TensorSpec, shape: tuple[int, ...], place: int
    ) -> None:
        super().__init__(whole.pool, spec, (spec.name, shape), whole.buffer)
        self._whole = whole
        self._place = place
        self.address = whole.address + place * int(np.prod(shape)) * self.dtype.itemsize

    def numpy(self) -> NDArray[Any]:
        """See `ResidentTensor.numpy`; the whole tensor is copied."""
        found: NDArray[Any] = self._whole.numpy()[self._place].reshape(self.shape)
        return found

    def planes(self, planes: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[Any]:
        """See `mapt.runtime.backends.protocol.planes_on_host`."""
        found: NDArray[Any] = self.numpy()[0][np.ix_(planes, rows)]
        return found

    def __del__(self) -> None:
        """Give nothing back: the buffer is the whole tensor's."""
