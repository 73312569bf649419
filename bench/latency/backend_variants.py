"""Lists every backend that can run a bundle, and how far each is verified on this machine.

The backends are PyTorch in three ways, ONNX Runtime, OpenVINO and TensorRT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mapt.errors import InputError
from mapt.probes import importable
from mapt.runtime.backends.openvino import OpenvinoBackend
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.backends.tensorrt import TensorrtBackend
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.perception.self_test import self_test

if TYPE_CHECKING:
    import torch

Kind = Literal["torch", "torch-best", "torch-compile", "ort", "openvino", "tensorrt"]
Proof = Literal["proven here", "built only", "unproven"]
WITHOUT_PYTORCH = "PyTorch is not installed; pip install 'mapt[export]'"


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
    if contender.kind.startswith("torch"):
        backend = _open_pytorch(contender, threads, device)
    elif contender.kind == "ort":
        backend = OrtBackend(bundle, threads)
    elif contender.kind == "openvino":
        backend = _proven(OpenvinoBackend(bundle, threads), bundle)
    else:
        backend = TensorrtBackend(bundle)
    backend.name = contender.name
    return backend


def _open_pytorch(contender: BackendVariant, threads: int, device: torch.device | None) -> Backend:
    if not importable("torch"):
        raise InputError(WITHOUT_PYTORCH)
    from mapt.bench.latency.torch_variants import open_variant

    return open_variant(contender.kind, contender.bundle, threads, device)


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
