"""Runs frame graphs that take several images at a time, for all cameras of a group or for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import BY_NAME, FRAME_GRAPHS
from mapt.runtime.backends.device.parts import ResidentPart
from mapt.runtime.backends.device.tensors import ResidentTensor
from mapt.runtime.backends.protocol import Backend, on_host


def one_camera(backend: Backend, batch: int) -> Backend:
    """The backend as one camera's tracker calls it; of a batch of 1, it is itself."""
    return backend if batch == 1 else OneOfBatch(backend, batch)


def join(subgraph: str, each: Sequence[Mapping[str, Any]], batch: int) -> dict[str, NDArray[Any]]:
    """The inputs of a frame graph for `batch` images from those of some; the others are zeros.

    Args:
        subgraph: its name.
        each: the inputs of each image, by name, as a graph of one image takes them. Those on a
            device are copied from it.
        batch: at least as many.
    """
    joined = {}
    for tensor in BY_NAME[subgraph].inputs:
        parts = [on_host(inputs[tensor.name]) for inputs in each]
        whole = np.zeros((batch, *parts[0].shape[1:]), parts[0].dtype)  # all have a leading 1
        np.concatenate(parts, out=whole[: len(parts)])
        joined[tensor.name] = whole
    return joined


def part(
    subgraph: str, outputs: Mapping[str, Any], place: int, sizes: dict[str, int]
) -> dict[str, Any]:
    """The outputs of one image from those of a batch, in the same memory.

    Args:
        subgraph: a frame graph.
        outputs: of the batch, by name.
        place: of the image in it.
        sizes: the network's shape symbols.
    """
    found = {}
    for tensor in BY_NAME[subgraph].outputs:
        whole = outputs[tensor.name]
        shape = tensor.resolve(sizes)
        found[tensor.name] = (
            ResidentPart(whole, tensor, shape, place)
            if isinstance(whole, ResidentTensor)
            else whole[place].reshape(shape)
        )
    return found


class OneOfBatch:
    """A backend for one camera on graphs that take several images: the others are zeros.

    A frame costs as much as a whole batch.

    Args:
        backend: runs the graphs.
        batch: images that its frame graphs take at a time.
        place: of the camera's image among them.
    """

    def __init__(self, backend: Backend, batch: int, place: int | None = None) -> None:
        self.backend = backend
        self.batch = batch
        self.place = batch - 1 if place is None else place
        self.name = backend.name
        self.info = backend.info

    @property
    def providers(self) -> Mapping[str, str]:
        """See `Backend.providers`."""
        return self.backend.providers

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`."""
        if subgraph not in FRAME_GRAPHS:
            return self.backend.run(subgraph, inputs)
        empty = {name: np.zeros(value.shape, value.dtype) for name, value in inputs.items()}
        each = [empty] * self.place + [inputs]
        outputs = self.backend.run(subgraph, join(subgraph, each, self.batch))
        return part(subgraph, outputs, self.place, self.info.sizes)
