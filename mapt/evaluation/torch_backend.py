"""Runs the PyTorch network as a backend of the runtime, with which other backends are compared."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mapt.contract import BY_NAME
from mapt.evaluation.device import arithmetic
from mapt.model.heads.optical_flow import pack_grey
from mapt.model.network import Network
from mapt.model.subgraphs import build_subgraphs, model_info
from mapt.model.weights import load_weights
from mapt.runtime.backends.protocol import CopyCounts, on_host


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
        traffic: what was copied between it and the host.
    """

    name = "torch"

    def __init__(self, network: Network) -> None:
        self.graphs = build_subgraphs(network)
        self.info = model_info(network.config, network.backbone.channels[2])
        self.device = next(network.parameters()).device
        # In this ablation the motion head reads images, which its subgraph does not get.
        self.from_flow = network.config.motion_input == "flow"
        self.packed = torch.zeros(0)
        self.traffic = CopyCounts()

    @classmethod
    def load(
        cls,
        path: Path,
        size: tuple[int, int] | None = None,
        threads: int | None = None,
        device: torch.device | None = None,
        *,
        zoom: bool | None = None,
    ) -> TorchBackend:
        """Read a weight file.

        Args:
            path: `.safetensors` written by `mapt train`.
            size: height and width of the input in pixels, multiples of 32, in place of the stored
                ones.
            threads: the number of PyTorch's threads, a setting of the whole process.
            device: the device that computes, see `mapt.evaluation.device.find_device`. None takes
                the CPU.
            zoom: see the middle of the input enlarged, too; None: as the weights say.

        Raises:
            InputError: the file or the size is bad.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        network = load_weights(path, size=size, zoom=zoom)
        return cls(network.to(device or torch.device("cpu")))

    @property
    def providers(self) -> Mapping[str, str]:
        """Name the device of each subgraph, see `Backend.providers`."""
        return dict.fromkeys(self.graphs, f"PyTorch {self.device}")

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run a subgraph.

        Args:
            subgraph: its name in `mapt.contract`.
            inputs: its inputs by name, with the shapes and types of the contract; arrays, or what
                this backend gave.

        Returns:
            Its outputs by name, likewise: arrays on a CPU, and tensors that stay on a GPU.
        """
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.device.type == "cuda":
                stack.enter_context(arithmetic())
            given = {name: self._placed(value) for name, value in inputs.items()}
            found = self._compute(subgraph, given)
            return {name: self._handed_out(value) for name, value in found.items()}

    def _compute(self, subgraph: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        spec = BY_NAME[subgraph]
        outputs = self.graphs[subgraph](*(inputs[t.name] for t in spec.inputs))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        results = dict(zip((t.name for t in spec.outputs), outputs, strict=True))
        if self.from_flow and subgraph == "backbone":
            self.packed = pack_grey(inputs["image"], self.info.sizes["S"])
        elif self.from_flow and subgraph == "semantic":
            results["s"] = self.packed
        return results

    def _placed(self, value: Any) -> Tensor:
        """An input on the network's device."""
        if isinstance(value, TorchTensor):
            return value.tensor
        array = np.ascontiguousarray(on_host(value))
        if self.device.type == "cpu":
            return torch.from_numpy(array)
        self.traffic.up += array.nbytes
        return torch.from_numpy(array).to(self.device)

    def _handed_out(self, tensor: Tensor) -> Any:
        if self.device.type == "cpu":
            return tensor.numpy()
        return TorchTensor(tensor, self.traffic)


class TorchTensor:
    """A tensor that stays on its device, see `mapt.runtime.backends.protocol.DeviceTensor`.

    Args:
        tensor: the tensor, which nobody changes any more.
        traffic: counts its copies to the host.
    """

    def __init__(self, tensor: Tensor, traffic: CopyCounts) -> None:
        self.tensor = tensor
        self._traffic = traffic

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return tuple(self.tensor.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's name of its type."""
        return np.dtype(str(self.tensor.dtype).removeprefix("torch."))

    def planes(self, planes: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[Any]:
        """See `mapt.runtime.backends.protocol.planes_on_host`."""
        first = int(rows[0])
        band = TorchTensor(self.tensor[:, :, first : int(rows[-1]) + 1], self._traffic)
        found: NDArray[Any] = band.numpy()[0][np.ix_(planes, rows - first)]
        return found

    def numpy(self) -> NDArray[Any]:
        """Return a copy on the host, which waits for the device."""
        found: NDArray[Any] = self.tensor.cpu().numpy()
        self._traffic.down += found.nbytes
        self._traffic.waits += 1
        return found
