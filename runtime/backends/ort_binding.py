"""Binds every tensor of ONNX Runtime to a buffer on the sessions' device.

The buffers are planned once.

Without it a session copies its inputs to the device in every call, the pyramid three times a frame.
Here a tensor that one subgraph leaves on the device and another reads does not travel again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import BY_NAME, TensorSpec
from mapt.runtime.backends.protocol import Tensors

Key = tuple[str, tuple[int, ...]]  # `boxes` has D rows in one place and N in another


class BoundSessions:
    """Sessions whose inputs and outputs lie in fixed buffers.

    There is one buffer for every distinct tensor of the contract.

    Args:
        onnxruntime: the module.
        sessions: by subgraph.
        sizes: the network's shape symbols.
        device: "cuda", or "cpu" for memory of the host.
    """

    def __init__(
        self, onnxruntime: Any, sessions: Mapping[str, Any], sizes: dict[str, int], device: str
    ) -> None:
        self.sessions = sessions
        self.sizes = sizes
        self.device = device
        self._create = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        self._buffers: dict[Key, Any] = {}
        self._resident: dict[
            Key, NDArray[Any]
        ] = {}  # arrays handed out whose content still lies in its buffer
        self._bindings = {name: self._bind(name) for name in sessions}

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`.

        The arrays are read-only, so that they stay equal to the content of the buffers.

        Raises:
            ValueError: an input has another shape or type than the contract says.
            Exception: whatever ONNX Runtime raises.
        """
        spec = BY_NAME[subgraph]
        for tensor in spec.inputs:
            self._send(tensor, inputs[tensor.name])
        for tensor in spec.outputs:
            self._resident.pop(self._key(tensor), None)
        self.sessions[subgraph].run_with_iobinding(
            self._bindings[subgraph]
        )  # waits for the device at its end
        return {tensor.name: self._hand_out(self._key(tensor)) for tensor in spec.outputs}

    def _send(self, tensor: TensorSpec, array: NDArray[Any]) -> None:
        key = self._key(tensor)
        if self._resident.get(key) is array:
            return
        if array.shape != key[1] or array.dtype != np.dtype(tensor.dtype):
            raise ValueError(
                f"{tensor.name} is {array.dtype} {array.shape}, not {tensor.dtype} {key[1]}"
            )
        self._resident.pop(key, None)
        self._buffers[key].update_inplace(np.ascontiguousarray(array))

    def _hand_out(self, key: Key) -> NDArray[Any]:
        array: NDArray[Any] = self._buffers[key].numpy()
        array = (
            array if array.flags.owndata else array.copy()
        )  # of a buffer on the host it is a view
        array.setflags(write=False)
        self._resident[key] = array
        return array

    def _key(self, tensor: TensorSpec) -> Key:
        return tensor.name, tensor.resolve(self.sizes)

    def _bind(self, subgraph: str) -> Any:
        spec = BY_NAME[subgraph]
        binding = self.sessions[subgraph].io_binding()
        for tensor in spec.inputs:
            binding.bind_ortvalue_input(tensor.name, self._buffer(tensor))
        for tensor in spec.outputs:
            binding.bind_ortvalue_output(tensor.name, self._buffer(tensor))
        return binding

    def _buffer(self, tensor: TensorSpec) -> Any:
        key = self._key(tensor)
        if key not in self._buffers:
            self._buffers[key] = self._create(
                list(key[1]), np.dtype(tensor.dtype).type, self.device, 0
            )
        return self._buffers[key]
