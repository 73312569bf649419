"""The PyTorch reference behind the runtime's backend protocol."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mapt.contract import BY_NAME
from mapt.evaluation.device import arithmetic
from mapt.model.network import Network
from mapt.model.optical_flow import pack_grey
from mapt.model.subgraphs import build_subgraphs, model_info
from mapt.model.weights import load_weights


class TorchBackend:
    """Runs each subgraph eagerly on the network's device.

    Fusion and tracker are those that are deployed.

    It is what other backends are compared with, so a GPU computes in float32 without TF32.

    Attributes:
        name: "torch".
        info: what the runtime must know of the network.
        providers: PyTorch's device, and whether its convolutions may round to TF32 there.
    """

    name = "torch"

    def __init__(self, network: Network) -> None:
        self.graphs = build_subgraphs(network)
        self.info = model_info(network.config, network.backbone.channels[2])
        self.device = next(network.parameters()).device
        # The ablation whose motion head reads images, which its subgraph is not given.
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
            size: network input (height, width) in pixels instead of the stored one, multiples of
                32.
            threads: PyTorch's threads, a setting of the whole process.
            device: where it runs, see `mapt.evaluation.device.find_device`; None: the CPU.

        Raises:
            InputError: the file or the size is bad.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        return cls(load_weights(path, size=size).to(device or torch.device("cpu")))

    @property
    def providers(self) -> Mapping[str, str]:
        """See `Backend.providers`; the reference computes without TF32."""
        return dict.fromkeys(self.graphs, f"PyTorch {self.device}")

    def run(
        self, subgraph: str, inputs: Mapping[str, NDArray[np.generic]]
    ) -> dict[str, NDArray[np.generic]]:
        """Run one subgraph on numpy tensors named as in `mapt.contract`."""
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
