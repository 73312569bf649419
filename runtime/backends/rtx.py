"""A bundle's ONNX graphs on TensorRT-RTX, by ONNX Runtime's plugin provider.

Not yet verified: no GPU has run it. The tests register the provider's real library, and run with a
stand-in for its devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from mapt.contract import BY_NAME
from mapt.errors import InputError
from mapt.runtime.backends.ort_providers import brief, check_driver
from mapt.runtime.backends.protocol import Backend, Options, Tensors
from mapt.runtime.backends.tensorrt_library import RTX_LIBRARIES, device_target, require_support
from mapt.runtime.bundle.manifest import Bundle

LOWEST = (1, 24)  # ONNX Runtime, as the provider's package demands
INSTALL = f"install mapt[cpu,trt-rtx], which brings {RTX_LIBRARIES}"


def find_devices() -> tuple[Any, list[Any], str]:
    """Register the provider's library with ONNX Runtime, and find its devices.

    Returns:
        ONNX Runtime, the devices, and the provider's name with its version.

    Raises:
        InputError: a package, the driver or a supported GPU is missing, or the library does not
            load.
    """
    try:
        import onnxruntime
        import onnxruntime_ep_nv_tensorrt_rtx as plugin
    except ImportError as error:
        raise InputError(f"backend 'rtx': {error.name} is not installed; {INSTALL}") from None
    here = tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])
    if here < LOWEST:
        raise InputError(
            f"backend 'rtx': needs ONNX Runtime {LOWEST[0]}.{LOWEST[1]} or newer,"
            f" {onnxruntime.__version__} is installed; update it"
        )
    name = plugin.get_ep_name()
    try:
        check_driver()
        require_support("tensorrt_rtx", device_target())
        if name not in {device.ep_name for device in onnxruntime.get_ep_devices()}:
            onnxruntime.register_execution_provider_library(name, plugin.get_library_path())
    except InputError as error:
        raise InputError(f"backend 'rtx': {error}; take backend 'ort'") from None
    except ValueError as error:
        raise InputError(f"backend 'rtx': TensorRT {error}, or take backend 'ort'") from None
    except Exception as error:  # of ONNX Runtime, whose errors have no common class
        raise InputError(
            f"backend 'rtx': ONNX Runtime does not load {name} ({brief(error)}); take backend 'ort'"
        ) from error
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]
    if not devices:
        raise InputError(f"backend 'rtx': {name} finds no GPU; take backend 'ort'")
    return onnxruntime, devices[:1], f"{name} {plugin.__version__}"


class RtxBackend:
    """One session per subgraph, all of whose nodes TensorRT-RTX runs.

    The provider builds its engines when the backend is opened.

    Args:
        bundle: of the gridsample lowering.

    Attributes:
        name: "rtx".
        info: of the network.
        providers: the provider with its version.

    Raises:
        InputError: see `find_devices`; or the bundle is of another lowering, or the provider does
            not take a graph as a whole.
    """

    name = "rtx"

    def __init__(self, bundle: Bundle) -> None:
        if bundle.lowering != "gridsample":
            raise InputError(
                f"{bundle.folder}: backend 'rtx' does not run operators of --ops {bundle.lowering};"
                " export with --ops gridsample"
            )
        onnxruntime, devices, provider = find_devices()
        self.info = bundle.info
        self.providers = dict.fromkeys(bundle.graphs, provider)
        self._sessions = {}
        for name, path in bundle.graphs.items():
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            options.add_session_config_entry("session.load_model_format", "ONNX")
            # A node that the provider refuses would run on the CPU without a word.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            options.add_provider_for_devices(devices, {})
            try:
                self._sessions[name] = onnxruntime.InferenceSession(
                    bundle.contents.read(path), options
                )
            except Exception as error:
                raise InputError(
                    f"{path}: {provider} does not run all of it ({brief(error)}); take backend"
                    " 'ort'"
                ) from error

    def run(self, subgraph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensors:
        """See `Backend.run`.

        Raises:
            Exception: whatever ONNX Runtime raises.
        """
        names = [tensor.name for tensor in BY_NAME[subgraph].outputs]
        return dict(zip(names, self._sessions[subgraph].run(names, dict(inputs)), strict=True))


def open_bundle(bundle: Bundle, options: Options) -> Backend:
    """Open a bundle, see `RtxBackend`.

    Raises:
        InputError: as there, or a CPU is asked for.
    """
    if options.device == "cpu":
        raise InputError("backend 'rtx': runs on a GPU, not on device 'cpu'; take backend 'ort'")
    return RtxBackend(bundle)
