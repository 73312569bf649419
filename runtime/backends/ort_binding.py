"""Runs ONNX Runtime's sessions between tensors that stay on their device.

Without it a session copies its inputs to the device and its outputs to the host in every call, the
pyramid three times a frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from mapt.contract import BY_NAME
from mapt.runtime.backends.device.graphs import MOST_GRAPHS
from mapt.runtime.backends.device.memory import DeviceMemory
from mapt.runtime.backends.device.tensors import Placed, ResidentTensor, TensorPool


class BoundSessions:
    """Sessions whose inputs and outputs lie in the buffers of a pool.

    Args:
        onnxruntime: the module.
        sessions: by subgraph.
        sizes: the network's shape symbols.
        memory: of the device; with a stream, the sessions must run on it.
        place: "cuda", or "cpu" for memory of the host.

    Attributes:
        pool: the tensors.
        captured: subgraphs whose sessions capture CUDA graphs.

    Raises:
        RuntimeError: there is not enough memory.
    """

    def __init__(
        self,
        onnxruntime: Any,
        sessions: Mapping[str, Any],
        sizes: dict[str, int],
        memory: DeviceMemory,
        place: str,
    ) -> None:
        self.sessions = dict(sessions)
        self.pool = TensorPool(memory, sizes)
        self.captured: frozenset[str] = frozenset()
        self._onnxruntime = onnxruntime
        self._place = place
        self._bindings: dict[str, Any] = {}
        self._addresses: dict[str, dict[str, int]] = {}
        self._graphs: dict[str, dict[tuple[int, ...], int]] = {}
        for name, session in sessions.items():
            self.replace(name, session, captured=False)

    def replace(self, name: str, session: Any, captured: bool) -> None:
        """Run a subgraph by another session from now on."""
        self.sessions[name] = session
        self.captured = self.captured | {name} if captured else self.captured - {name}
        self._bindings[name] = session.io_binding()
        self._addresses[name] = {}
        self._graphs[name] = {}

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> dict[str, ResidentTensor]:
        """See `Backend.run`.

        Raises:
            ValueError: an input has another shape or type than the contract says.
            Exception: whatever ONNX Runtime raises.
        """
        return self.pool.run(subgraph, inputs, partial(self._launch, subgraph))

    def rehearse(self, subgraph: str) -> None:
        """Run a subgraph on zeros and wait for it, see `TensorPool.rehearse`."""
        self.pool.rehearse(subgraph, partial(self._launch, subgraph))

    def _launch(self, subgraph: str, tensors: Mapping[str, Placed]) -> None:
        binding = self._bindings[subgraph]
        bound = self._addresses[subgraph]
        inputs = {t.name for t in BY_NAME[subgraph].inputs}
        for name, tensor in tensors.items():
            if bound.get(name) == tensor.address:
                continue
            bind = binding.bind_input if name in inputs else binding.bind_output
            dtype = tensor.dtype.type
            bind(name, self._place, 0, dtype, list(tensor.shape), tensor.address)
            bound[name] = tensor.address
        self.sessions[subgraph].run_with_iobinding(binding, self._options(subgraph))

    def _options(self, subgraph: str) -> Any:
        """Options of one run: whether it waits for the device, and which captured graph it is."""
        options = self._onnxruntime.RunOptions()
        if self.pool.memory.stream:
            options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        if subgraph in self.captured:
            graphs = self._graphs[subgraph]
            key = tuple(self._addresses[subgraph].values())
            if key not in graphs and len(graphs) < MOST_GRAPHS:
                graphs[key] = len(graphs) + 1
            options.add_run_config_entry("gpu_graph_id", str(graphs.get(key, -1)))
        return options
