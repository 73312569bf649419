"""The interface that every backend implements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mapt.contract import ModelInfo

Tensors = dict[str, NDArray[Any]]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Options:
    """How a backend is to run; one that has no use for an option leaves it.

    Attributes:
        threads: of the network on a CPU; None: as many as cores that this process may use.
        device: "cpu", "cuda", or "auto": CUDA where this machine and installation have all it
            needs.
        tf32: let CUDA round the inputs of float32 products and convolutions to TF32.
        cuda_graphs: let a GPU replay what a subgraph queues as one CUDA graph, where that can be
            captured.
    """

    threads: int | None = None
    device: Device = "auto"
    tf32: bool = False
    cuda_graphs: bool = True

    def with_threads(self, threads: int) -> Options:
        """The same with so many threads."""
        return replace(self, threads=threads)


class DeviceTensor(Protocol):
    """A tensor that a backend left where it computed it.

    It may be given back to the backend, whose own way to find its memory is nobody else's concern.
    Its content stays as it is until the last reference to it is gone.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's name of its type."""
        ...

    def numpy(self) -> NDArray[Any]:
        """Return the values on the host; any thread may call it, and it may wait for the device."""
        ...


@dataclass
class CopyCounts:
    """What a backend has copied between the host and its device since it was opened.

    Attributes:
        up: bytes to the device.
        down: bytes to the host.
        waits: how often the host waited for the device.
    """

    up: int = 0
    down: int = 0
    waits: int = 0

    def since(self, before: CopyCounts) -> CopyCounts:
        """Return what was added."""
        return CopyCounts(self.up - before.up, self.down - before.down, self.waits - before.waits)


class Backend(Protocol):
    """Runs subgraphs on tensors named and shaped as in `mapt.contract`.

    A tensor is a NumPy array, or a `DeviceTensor` of this backend. So a backend on the host takes
    and gives arrays, and need not know of the rest. A backend that copies counts what it copies in
    an attribute `traffic`, see `CopyCounts`.

    A backend that reads inputs in a GPU's memory has an attribute `stream`, the handle of the CUDA
    stream on which it does. It takes contiguous tensors with `__cuda_array_interface__` then. It
    may have `memory` too, a `mapt.runtime.backends.cuda.CudaMemory` of that stream: what the
    tracker copies for it is counted there.
    """

    name: str
    info: ModelInfo

    @property
    def providers(self) -> Mapping[str, str]:
        """Name what runs each subgraph.

        It is an execution provider of ONNX Runtime, or another library and its device.
        """
        ...

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run one subgraph.

        The results belong to the caller. So do the inputs, and arrays among them may change after
        the call. With device tensors among the results, the device may still be at work.
        """
        ...


def on_host(tensor: Any) -> NDArray[Any]:
    """Return the values of an array or a `DeviceTensor`."""
    found: NDArray[Any] = tensor if isinstance(tensor, np.ndarray) else tensor.numpy()
    return found


def planes_on_host(tensor: Any, planes: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Return some planes and rows of a tensor (1,K,h,w).

    A tensor with a method `planes` copies no more than these from its device.

    Args:
        tensor: an array or a `DeviceTensor`.
        planes: their indices (p,).
        rows: their indices (r,), rising.

    Returns:
        (p,r,w).
    """
    some = getattr(tensor, "planes", None)
    found: NDArray[Any]
    if some is not None:
        found = some(planes, rows)
    else:
        found = on_host(tensor)[0][np.ix_(planes, rows)]
    return found


def all_on_host(tensors: Mapping[str, Any]) -> Tensors:
    """Return the values of several tensors by name."""
    return {name: on_host(tensor) for name, tensor in tensors.items()}
