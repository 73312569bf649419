"""Lists every backend that can run a bundle, and how far each is verified on this machine.

The backends are PyTorch in three ways, ONNX Runtime, OpenVINO and TensorRT.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mapt.errors import InputError
from mapt.evaluation.reference import load_reference
from mapt.evaluation.torch_backend import TorchBackend
from mapt.export.lowering.folded_subgraphs import fold_batch_norm
from mapt.model.network import Network
from mapt.runtime.backends.openvino import OpenvinoBackend
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend, Tensors
from mapt.runtime.backends.tensorrt import TensorrtBackend
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.perception.self_test import self_test

Kind = Literal["torch", "torch-best", "torch-compile", "ort", "openvino", "tensorrt"]
Proof = Literal["proven here", "built only", "unproven"]
COMPILED = (
    "backbone",
    "semantic",
)  # convolutions from end to end; the others hold operators it would step around


@dataclass(frozen=True)
class BackendVariant:
    """A backend with a bundle, one row of the tables.

    Attributes:
        name: of the row.
        kind: what runs it.
        bundle: what is run; PyTorch takes its weights.
    """

    name: str
    kind: Kind
    bundle: Bundle


@dataclass(frozen=True)
class Verification:
    """How far a backend is verified here: measured, built but not run, or neither.

    `why` gives the reason.
    """

    proof: Proof
    why: str = ""


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

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`."""
        return {
            name: np.ascontiguousarray(value)
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
        given: Tensors = {"image": np.zeros((1, self.info.height, self.info.width, 3), np.uint8)}
        try:
            for name in COMPILED:  # the semantic head reads what the backbone gives
                self.graphs[name].compile(dynamic=False)
                given = self.run(name, given)
        except Exception as error:  # its errors have no common class
            why = (str(error).strip().splitlines() or [""])[0]
            raise InputError(
                f"torch.compile failed: {type(error).__name__}: {why[:200]}"
            ) from error


PYTORCH: dict[str, type[TorchBackend]] = {
    c.name: c for c in (TorchBackend, TorchBest, TorchCompiled)
}


def list_contenders(
    bundle: Bundle, others: list[Bundle], compiled: bool = False
) -> list[BackendVariant]:
    """List every backend variant; the first is the reference.

    Args:
        bundle: what is measured.
        others: further bundles, on ONNX Runtime.
        compiled: have a row of `torch.compile`, too.

    Raises:
        InputError: two bundles are called the same.
    """
    rows = [
        BackendVariant("torch", "torch", bundle),
        BackendVariant("torch-best", "torch-best", bundle),
    ]
    rows += [BackendVariant("torch-compile", "torch-compile", bundle)] if compiled else []
    for each in (bundle, *others):
        rows.append(BackendVariant(each.folder.name if others else "ort", "ort", each))
    rows += [
        BackendVariant("openvino", "openvino", bundle),
        BackendVariant("tensorrt", "tensorrt", bundle),
    ]
    if len({row.name for row in rows}) < len(rows):
        raise InputError("--beside: two bundles are called the same; rename a folder")
    return rows


def open_contender(
    contender: BackendVariant, threads: int, device: torch.device | None = None
) -> Backend:
    """Open the backend of a variant, under the row's name.

    Args:
        contender: the row.
        threads: of the network; PyTorch's are a setting of the whole process.
        device: of PyTorch; None: the CPU.

    Raises:
        InputError: what it needs is not on this machine, or not in the bundle.
    """
    bundle = contender.bundle
    backend: Backend
    if contender.kind in PYTORCH:
        torch.set_num_threads(threads)
        network = load_reference(bundle)
        backend = PYTORCH[contender.kind](network.to(device or torch.device("cpu")))
    elif contender.kind == "ort":
        backend = OrtBackend(bundle, threads)
    elif contender.kind == "openvino":
        backend = _proven(OpenvinoBackend(bundle, threads), bundle)
    else:
        backend = TensorrtBackend(bundle)
    backend.name = contender.name
    return backend


def _proven(backend: Backend, bundle: Bundle) -> Backend:
    """The backend, if it gives what the bundle's golden picture must give; else InputError."""
    if bundle.golden:
        try:
            self_test(backend, bundle)
        except InputError as error:
            what = str(error).removeprefix(f"{bundle.golden}: ").split(", more than")[0]
            raise InputError(f"OpenVINO computes the bundle wrongly: {what}") from None
    return backend


def standing(contender: BackendVariant, error: InputError | None) -> Verification:
    """Tell how far a row is verified; `error` is why it could not be opened."""
    if error is None:
        return Verification("proven here")
    if contender.kind == "tensorrt" and contender.bundle.engines:
        return Verification(
            "built only", f"engines for {', '.join(sorted(contender.bundle.engines))}; {error}"
        )
    return Verification("unproven", str(error))
