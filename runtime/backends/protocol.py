"""What the pipeline asks of whatever runs the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from mapt.contract import ModelInfo

Tensors = dict[str, NDArray[Any]]


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
