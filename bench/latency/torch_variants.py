"""PyTorch in three ways, as backends of the benchmarks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from mapt.errors import InputError
from mapt.evaluation.reference import load_reference
from mapt.evaluation.torch_backend import TorchBackend
from mapt.export.lowering.folded_subgraphs import fold_batch_norm
from mapt.model.network import Network
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.bundle.manifest import Bundle

COMPILED = (
    "backbone",
    "semantic",
)  # convolutions from end to end; the others hold operators it would step around


class TorchBest(TorchBackend):
    """The fastest eager PyTorch: batch norms folded, channels last."""

    name = "torch-best"

    def __init__(self, network: Network) -> None:
        super().__init__(fold_batch_norm(copy.deepcopy(network).eval()))
        for graph in self.graphs.values():
            for module in graph.modules():
                if isinstance(
                    module, nn.Conv2d | nn.ConvTranspose2d
                ):  # what comes out of them follows their weights
                    module.to(memory_format=torch.channels_last)

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backend.run`."""
        return {
            name: np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value
            for name, value in super().run(subgraph, inputs).items()
        }


class TorchCompiled(TorchBest):
    """The same, with the backbone and the semantic head compiled by `torch.compile`.

    Both are compiled before the first frame.

    Raises:
        InputError: they could not be.
    """

    name = "torch-compile"

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        given: Mapping[str, Any] = {
            "image": np.zeros((1, self.info.height, self.info.width, 3), np.uint8)
        }
        try:
            for name in COMPILED:  # the semantic head reads what the backbone gives
                self.graphs[name].compile(dynamic=False)
                given = self.run(name, given)
        except Exception as error:  # its errors have no common class
            why = (str(error).strip().splitlines() or [""])[0]
            raise InputError(
                f"torch.compile failed: {type(error).__name__}: {why[:200]}"
            ) from error


VARIANTS: dict[str, type[TorchBackend]] = {
    c.name: c for c in (TorchBackend, TorchBest, TorchCompiled)
}


def open_variant(kind: str, bundle: Bundle, threads: int, device: torch.device | None) -> Backend:
    """Open the PyTorch model of a bundle's weights.

    Args:
        kind: one of `VARIANTS`.
        bundle: whose weights are taken.
        threads: of PyTorch, a setting of the whole process.
        device: None: the CPU.

    Raises:
        InputError: the weights cannot be read, or the model cannot be compiled.
    """
    torch.set_num_threads(threads)
    network = load_reference(bundle)
    return VARIANTS[kind](network.to(device or torch.device("cpu")))
