"""ONNX Runtime on the CPU or a CUDA device."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mapt.contract import BY_NAME
from mapt.errors import InputError
from mapt.runtime.backend import Tensors
from mapt.runtime.bundle import Bundle
from mapt.runtime.operators import library_for


class OrtBackend:
    """One session per subgraph of a bundle.

    Attributes:
        name: "ort".
        info: of the network.
    """

    name = "ort"

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                "ONNX Runtime is not installed; install mapt[cpu], or mapt[gpu] for a CUDA device"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Without work a pool's threads should sleep: the subgraphs alternate, and spinning ones slow each other down.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        operators = library_for(bundle.operators, bundle.folder)
        if operators:
            _register(options, operators)
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [p for p in wanted if p in onnxruntime.get_available_providers()]
        self.info = bundle.info
        self.sessions = {}
        for name, path in bundle.graphs.items():
            try:
                self.sessions[name] = onnxruntime.InferenceSession(path, options, providers=providers)
            except Exception as error:
                raise InputError(f"{path}: ONNX Runtime cannot load it ({str(error).splitlines()[0]})") from None
            self._check(name, self.sessions[name], str(path))

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`."""
        names = [t.name for t in BY_NAME[subgraph].outputs]
        return dict(zip(names, self.sessions[subgraph].run(names, dict(inputs)), strict=True))

    def _check(self, name: str, session: Any, path: str) -> None:
        """The file's inputs and outputs must be those of the contract."""
        spec = BY_NAME[name]
        for expected, found in ((spec.inputs, session.get_inputs()), (spec.outputs, session.get_outputs())):
            want = {t.name: list(t.resolve(self.info.sizes)) for t in expected}
            have = {t.name: list(t.shape) for t in found}
            if want != have:
                raise InputError(f"{path}: its tensors {have} are not the contract's {want}; export the bundle again")


def _register(options: Any, library: Path) -> None:
    try:
        options.register_custom_ops_library(str(library))
    except Exception as error:
        raise InputError(f"{library}: ONNX Runtime does not take it ({str(error).splitlines()[0]})") from None
