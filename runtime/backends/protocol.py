"""The interface that every backend implements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

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
    """

    threads: int | None = None
    device: Device = "auto"
    tf32: bool = False

    def with_threads(self, threads: int) -> Options:
        """The same with so many threads."""
        return replace(self, threads=threads)


class Backend(Protocol):
    """Runs subgraphs on numpy tensors named and shaped as in `mapt.contract`."""

    name: str
    info: ModelInfo

    @property
    def providers(self) -> Mapping[str, str]:
        """Name what runs each subgraph.

        It is an execution provider of ONNX Runtime, or another library and its device.
        """
        ...

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """Run one subgraph.

        The results belong to the caller. So do the inputs, which may change after the call.
        """
        ...
