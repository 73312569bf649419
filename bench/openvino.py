"""A bundle's graphs on OpenVINO, to compare with; the runtime does not offer it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mapt.contract import BY_NAME
from mapt.errors import InputError
from mapt.runtime.backend import Tensors
from mapt.runtime.bundle import Bundle


class OpenvinoBackend:
    """One compiled model per subgraph, in float32: left alone, OpenVINO computes coordinates in bfloat16.

    Attributes:
        name: "openvino".
        info: of the network.

    Raises:
        InputError: OpenVINO is not installed, or does not take the bundle's operators.
    """

    name = "openvino"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        try:
            import openvino
        except ImportError:
            raise InputError("OpenVINO is not installed; pip install openvino") from None
        if bundle.lowering != "gridsample":
            raise InputError(f"OpenVINO has no importer for the operators of --ops {bundle.lowering}; use gridsample")
        self.info, core = bundle.info, openvino.Core()
        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        try:
            self.models = {n: core.compile_model(core.read_model(p), "CPU", hints) for n, p in bundle.graphs.items()}
        except RuntimeError as error:
            raise InputError(f"OpenVINO does not take the bundle: {str(error).splitlines()[0]}") from None

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`."""
        results = self.models[subgraph](dict(inputs))
        return {t.name: results[t.name].copy() for t in BY_NAME[subgraph].outputs}
