"""Runs the PyTorch network as a backend of the runtime, with which other backends are compared."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mapt.contract import BY_NAME
from mapt.evaluation.device import arithmetic
from mapt.model.heads.optical_flow import pack_grey
from mapt.model.network import Network
from mapt.model.subgraphs import build_subgraphs, model_info
from mapt.model.weights import load_weights


class TorchBackend:
    """Runs each subgraph eagerly on the network's device.

    Other backends are compared with it, so a GPU computes in float32 without TF32.

    Args:
        network: the network, which is put into evaluation mode.

    Attributes:
        name: "torch".
        info: describes the network for the runtime.
        graphs: the subgraphs by name.
        device: the network's device.
    """

    name = "torch"

    def __init__(self, network: Network) -> None:
        self.graphs = build_subgraphs(network)
        self.info = model_info(network.config, network.backbone.channels[2])
        self.device = next(network.parameters()).device
        # In this ablation the motion head reads images, which its subgraph does not get.
        self.from_flow = network.config.motion_input == "flow"
        self.packed: NDArray[np.generic] = np.zeros(0, np.float32)

    @classmethod
    def load(
        cls,
        path: Path,
        size: tuple[int, int] | None = None,
        threads: int | None = None,
        device: torch.device | None = None,
    ) -> TorchBackend:
        """Read a weight file.

        Args:
            path: `.safetensors` written by `mapt train`.
            size: height and width of the input in pixels, multiples of 32, in place of the stored
                ones.
            threads: the number of PyTorch's threads, a setting of the whole process.
            device: the device that computes, see `mapt.evaluation.device.find_device`. None takes
                the CPU.

        Raises:
            InputError: the file or the size is bad.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        return cls(load_weights(path, size=size).to(device or torch.device("cpu")))

    @property
    def providers(self) -> Mapping[str, str]:
        """Name the device of each subgraph, see `Backend.providers`."""
        return dict.fromkeys(self.graphs, f"PyTorch {self.device}")

    def run(
        self, subgraph: str, inputs: Mapping[str, NDArray[np.generic]]
    ) -> dict[str, NDArray[np.generic]]:
        """Run a subgraph.

        Args:
            subgraph: its name in `mapt.contract`.
            inputs: its inputs by name, with the shapes and types of the contract.

        Returns:
            Its outputs by name, likewise.
        """
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.device.type == "cuda":
                stack.enter_context(arithmetic())
            return self._compute(subgraph, inputs)

    def _compute(
        self, subgraph: str, inputs: Mapping[str, NDArray[np.generic]]
    ) -> dict[str, NDArray[np.generic]]:
        spec = BY_NAME[subgraph]
        arguments = [
            torch.from_numpy(np.ascontiguousarray(inputs[t.name])).to(self.device)
            for t in spec.inputs
        ]
        outputs = self.graphs[subgraph](*arguments)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        results = {
            t.name: value.cpu().numpy() for t, value in zip(spec.outputs, outputs, strict=True)
        }
        if self.from_flow and subgraph == "backbone":
            self.packed = pack_grey(arguments[0], self.info.sizes["S"]).cpu().numpy()
        elif self.from_flow and subgraph == "semantic":
            results["s"] = self.packed
        return results
