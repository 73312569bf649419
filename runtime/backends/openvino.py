"""A bundle's graphs on OpenVINO, to compare with; the runtime does not offer it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from mapt.contract import BY_NAME
from mapt.errors import InputError
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.perception.self_test import self_test


class OpenvinoBackend:
    """One compiled model per subgraph, in float32.

    By default OpenVINO would compute coordinates in bfloat16.

    Attributes:
        name: "openvino".
        info: of the network.
        providers: OpenVINO with its version.

    Raises:
        InputError: OpenVINO is not installed, does not take the bundle's operators, or computes the
            golden picture otherwise than the bundle did.
    """

    name = "openvino"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        try:
            import openvino
        except ImportError:
            raise InputError("OpenVINO is not installed; pip install 'mapt[bench]'") from None
        if bundle.lowering != "gridsample":
            raise InputError(
                f"OpenVINO has no importer for the operators of --ops {bundle.lowering}; use"
                " gridsample"
            )
        self.info = bundle.info
        core = openvino.Core()
        hints = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            graphs = {name: bundle.contents.read(path) for name, path in bundle.graphs.items()}
            models = {
                name: core.read_model(narrow_ranking(graph)) for name, graph in graphs.items()
            }
            self.models = {
                name: core.compile_model(model, "CPU", hints) for name, model in models.items()
            }
        except RuntimeError as error:
            raise InputError(
                f"OpenVINO does not take the bundle: {str(error).splitlines()[0]}"
            ) from None
        self.providers = dict.fromkeys(models, f"OpenVINO {openvino.__version__} CPU")
        if bundle.golden:
            self._test(bundle.golden, bundle)

    def _test(self, golden: Path, bundle: Bundle) -> None:
        """Fast and wrong is no row."""
        try:
            self_test(self, bundle)
        except InputError as error:
            what = str(error).removeprefix(f"{golden}: ").split(", more than")[0]
            raise InputError(f"OpenVINO computes the bundle wrongly: {what}") from None

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`."""
        results = self.models[subgraph](dict(inputs))
        return {t.name: results[t.name].copy() for t in BY_NAME[subgraph].outputs}


def narrow_ranking(graph: bytes) -> bytes:
    """A graph whose rankings are of scores alone, in 24 bits.

    `mapt.ops.nms.rank_keys` puts score and index into one int64. OpenVINO computes int64 in 32
    bits, where the keys of all good scores overflow. ONNX's TopK prefers the lower of equal
    elements' indices anyway, so the sum can go.
    """
    model = onnx.load_from_string(graph)
    made = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        total = made.get(node.input[0]) if node.op_type == "TopK" else None
        times = made.get(total.input[0]) if total is not None and total.op_type == "Add" else None
        if times is not None and times.op_type == "Mul":
            node.input[0] = times.input[0]
    content: bytes = model.SerializeToString()
    return content
