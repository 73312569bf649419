"""OpenVINO on the CPU, for bundles of the gridsample lowering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapt.contract import BY_NAME
from mapt.cores import usable_cores
from mapt.errors import InputError
from mapt.runtime.backends.protocol import Backend, Options, Tensors, all_on_host
from mapt.runtime.bundle.manifest import Bundle


class OpenvinoBackend:
    """One compiled model per subgraph, in float32.

    By default OpenVINO would compute coordinates in bfloat16.

    Attributes:
        name: "openvino".
        info: of the network.
        providers: OpenVINO with its version.

    Raises:
        InputError: OpenVINO or onnx is not installed, or OpenVINO does not take the bundle's
            operators.
    """

    name = "openvino"

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        try:
            import onnx  # noqa: F401  (rewrites the rankings)
            import openvino
        except ImportError as error:
            raise InputError(
                f"{error.name} is not installed, which backend 'openvino' needs; pip install"
                " 'mapt[openvino]'"
            ) from None
        if bundle.lowering != "gridsample":
            raise InputError(
                f"OpenVINO has no importer for the operators of --ops {bundle.lowering}; use"
                " gridsample"
            )
        self.info = bundle.info
        core = openvino.Core()
        hints = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or usable_cores(),
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

    def run(self, subgraph: str, inputs: Mapping[str, Any]) -> Tensors:
        """See `Backend.run`."""
        results = self.models[subgraph](all_on_host(inputs))
        return {t.name: results[t.name].copy() for t in BY_NAME[subgraph].outputs}


def open_bundle(bundle: Bundle, options: Options) -> Backend:
    """Open a bundle, see `OpenvinoBackend`.

    Raises:
        InputError: as there, or another device than a CPU is asked for.
    """
    if options.device == "cuda":
        raise InputError("backend 'openvino': runs on a CPU, not on device 'cuda'; take 'ort'")
    return OpenvinoBackend(bundle, options.threads)


def narrow_ranking(graph: bytes) -> bytes:
    """A graph whose rankings are of scores alone, in 24 bits.

    `mapt.ops.nms.rank_keys` puts score and index into one int64. OpenVINO computes int64 in 32
    bits, where the keys of all good scores overflow. ONNX's TopK prefers the lower of equal
    elements' indices anyway, so the sum can go.
    """
    import onnx

    model = onnx.load_from_string(graph)
    made = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        total = made.get(node.input[0]) if node.op_type == "TopK" else None
        times = made.get(total.input[0]) if total is not None and total.op_type == "Add" else None
        if times is not None and times.op_type == "Mul":
            node.input[0] = times.input[0]
    content: bytes = model.SerializeToString()
    return content
