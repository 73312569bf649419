"""ONNX Runtime as the checks use it: the one place that knows its backend's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.bench.gpu.context import Device
from mapt.contract import BY_NAME
from mapt.runtime.backends import operators
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import Bundle

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def open_backend(
    bundle: Bundle, device: Device, tf32: bool = False, *, plain: bool = False
) -> OrtBackend:
    """A bundle on ONNX Runtime.

    Args:
        bundle: what is run.
        device: where.
        tf32: let CUDA compute float32 in TF32.
        plain: no session captures a CUDA graph, so that other memory may be bound to it.

    Raises:
        InputError: it cannot run there.
    """
    return OrtBackend(bundle, None, device, tf32, capture=not plain)


def open_resident(bundle: Bundle, device: Device) -> OrtBackend:
    """A bundle on ONNX Runtime, whose tensors stay on the device; a CPU's memory stands in for one.

    Raises:
        InputError: it cannot run there.
    """
    return OrtBackend(bundle, None, device, bound=True)


def operator_providers() -> tuple[str, int, tuple[str, ...]]:
    """Name and version of the library of custom operators, and the providers that it has them for.

    Raises:
        InputError: it is not built.
    """
    path, version = operators.find_library()
    return path.name, version, operators.operator_providers(path)


def placed(backend: OrtBackend) -> dict[str, str]:
    """Return what runs each subgraph, according to the sessions."""
    return {name: session.get_providers()[0] for name, session in backend.sessions.items()}


def misplaced(backend: OrtBackend, device: Device) -> list[str]:
    """A line for each subgraph that another provider runs than the device's."""
    want = PROVIDERS[device]
    return [f"{name} runs on {p}" for name, p in placed(backend).items() if p != want]


class HostBackend:
    """A backend whose arrays go through the host in every call, as without IoBinding.

    Args:
        backend: whose sessions run.
    """

    name = "ort"

    def __init__(self, backend: OrtBackend) -> None:
        self.sessions = backend.sessions
        self.info = backend.info
        self.providers = placed(backend)

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See `Backend.run`."""
        names = [t.name for t in BY_NAME[subgraph].outputs]
        found = self.sessions[subgraph].run(names, dict(inputs))
        return dict(zip(names, found, strict=True))


class BoundSession:
    """A session whose inputs and outputs stay on the device.

    Args:
        session: ONNX Runtime's.
        inputs: what it reads, copied there once.
        device: where.
    """

    def __init__(self, session: Any, inputs: Mapping[str, NDArray[Any]], device: Device) -> None:
        from onnxruntime import OrtValue

        self.session = session
        self.binding = session.io_binding()
        self.inputs = {n: OrtValue.ortvalue_from_numpy(a, device, 0) for n, a in inputs.items()}
        for name, value in self.inputs.items():
            self.binding.bind_ortvalue_input(name, value)
        for output in session.get_outputs():
            self.binding.bind_output(output.name, device, 0)

    def run(self) -> None:
        """Run it; the device is done when this returns."""
        self.session.run_with_iobinding(self.binding)
        self.binding.synchronize_outputs()

    def outputs(self) -> dict[str, NDArray[Any]]:
        """Return the outputs of the last run, on the host."""
        names = [output.name for output in self.session.get_outputs()]
        return {
            n: np.array(v.numpy()) for n, v in zip(names, self.binding.get_outputs(), strict=True)
        }
