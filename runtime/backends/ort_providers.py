"""Chooses the ONNX Runtime execution provider for a bundle, the CPU's or CUDA's.

It also explains why CUDA cannot be used.

ONNX Runtime itself goes on with the CPU where CUDA does not come up, and says so on standard output
or nowhere. Here a provider that was asked for runs, or there is an error.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from mapt.errors import InputError, suggest
from mapt.runtime.backends.operators import operator_providers, ranks_channels_last
from mapt.runtime.backends.protocol import Device

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
CAPTURE = {"enable_cuda_graph": "1"}  # an option of CUDA's provider
TF32 = "with TF32"  # behind a provider's name in `Backend.providers`, as the next one
GRAPHS = "with CUDA graphs"
# y = Relu(x) of one float: the smallest graph that shows whether a provider comes up and its
# kernels run.
RELU = (
    b"\x08\x08:3\n\x0c\n\x01x\x12\x01y"
    b'"\x04Relu\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)


class NoCudaError(InputError):
    """This machine, or what is installed on it, lacks something that CUDA's provider needs."""


@dataclass
class _Process:
    """What this process knows of CUDA, whose state belongs to the process, too."""

    worked: bool = False


_CUDA = _Process()


def check_device(wanted: str) -> None:
    """Refuse a name that is no device's.

    Raises:
        InputError: it is none.
    """
    if wanted not in get_args(Device):
        raise InputError(f"device {wanted!r} is unknown; {suggest(str(wanted), get_args(Device))}")


def choose_provider(
    onnxruntime: Any, device: Device, operators: Path | None, graphs: Mapping[Path, bytes]
) -> str:
    """Return the provider, `CPU` or `CUDA`.

    If "auto" cannot take a CUDA provider that is installed, a warning explains this once ("mapt").

    Args:
        onnxruntime: the module.
        device: "auto" takes CUDA where this machine and installation have all it needs.
        operators: the library of MAPT's operators, where the graphs have any.
        graphs: the content of the ONNX files.

    Raises:
        InputError: CUDA was asked for and cannot run the graphs, or is there and fails.
    """
    check_device(device)
    if device == "cpu" or (device == "auto" and CUDA not in onnxruntime.get_available_providers()):
        return CPU
    try:
        start_cuda(onnxruntime)
        if operators:
            _check_graphs(operators, graphs)
    except NoCudaError as error:
        if device == "cuda":
            raise InputError(f"device 'cuda': {error}; or take device 'cpu'") from None
        say_once(logging.WARNING, f"the CPU runs the network, CUDA cannot: {error}")
        return CPU
    return CUDA


def cuda_options(tf32: bool, stream: int = 0) -> dict[str, str]:
    """Return options of CUDA's provider for reproducible float32 results.

    Convolutions are chosen by cuDNN's rules: the default, EXHAUSTIVE, takes whichever was fastest
    when the session first ran, and another one rounds otherwise.

    Args:
        tf32: let matrix products and convolutions round their float32 inputs to TF32's 10 bits.
        stream: on which a session queues its work; 0: on one of its own, for which every run waits.
    """
    options = {"use_tf32": "1" if tf32 else "0", "cudnn_conv_algo_search": "HEURISTIC"}
    return options | {"user_compute_stream": str(stream)} if stream else options


def open_session(
    onnxruntime: Any, options: Any, provider: str, settings: Mapping[str, str], graph: bytes
) -> Any:
    """A session whose first provider is the given one; it never changes to another.

    Args:
        onnxruntime: the module.
        options: of the session.
        provider: `CPU` or `CUDA`.
        settings: the provider's options.
        graph: the content of an ONNX file.

    Raises:
        NoCudaError: the system's loader does not load CUDA's provider; with what it says.
        InputError: it did not come up for another reason.
        Exception: whatever ONNX Runtime raises.
    """
    wanted: list[Any] = [(provider, dict(settings))]
    if provider != CPU:
        wanted.append(CPU)  # runs what computes shapes
    # By default a failure, here or in a later run, makes ONNX Runtime start again on the CPU.
    start = functools.partial(
        onnxruntime.InferenceSession, graph, options, providers=wanted, enable_fallback=0
    )
    try:
        session = start()
    except RuntimeError as error:
        if "use_per_session_threads" not in str(error):
            raise
        options.use_per_session_threads = (
            False  # the host has given its process one pool, for every session
        )
        session = start()
    session.disable_fallback()  # older versions do not know the argument
    if session.get_providers()[0] != provider:
        _check_library(onnxruntime)
        raise InputError(
            "CUDA's provider did not come up, and ONNX Runtime says no reason; start the process"
            " again"
        )
    return session


def start_cuda(onnxruntime: Any) -> None:
    """Load CUDA's libraries and let its provider run something.

    Raises:
        NoCudaError: something is missing here, or too old.
        InputError: CUDA fails and has worked in this process before: an illegal memory access, of
            whichever library, ends it for the rest of the process.
    """
    if CUDA not in onnxruntime.get_available_providers():
        raise NoCudaError(
            f"this ONNX Runtime ({onnxruntime.__version__}) has no CUDA provider; install mapt[gpu]"
        )
    check_driver()
    if hasattr(
        onnxruntime, "preload_dlls"
    ):  # from 1.21 on; else the loader's path has to hold them
        onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it would log is in the error
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = open_session(onnxruntime, options, CUDA, cuda_options(tf32=False), RELU)
        session.run(None, {"x": np.ones(1, np.float32)})
    except InputError:
        raise
    except Exception as error:
        if not _CUDA.worked:
            raise NoCudaError(f"CUDA's provider fails ({brief(error)})") from None
        raise InputError(
            f"CUDA worked in this process and fails now ({brief(error)}); start the process again"
        ) from None
    _CUDA.worked = True


def check_driver() -> None:
    """Ask NVIDIA's driver for GPUs.

    Raises:
        NoCudaError: there is no driver, or it finds none.
    """
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError as error:
        raise NoCudaError(f"NVIDIA's driver is not installed ({error})") from None
    count = ctypes.c_int()
    text = ctypes.c_char_p()
    status = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    if status:
        cuda.cuGetErrorString(status, ctypes.byref(text))
        raise NoCudaError(
            f"NVIDIA's driver gives no GPU ({(text.value or b'unknown error').decode()})"
        )
    if not count.value:
        raise NoCudaError("NVIDIA's driver finds no GPU")


def brief(error: Exception) -> str:
    """Return the part of an ONNX Runtime error that comes from CUDA.

    Without such a part, it returns the error's first line, or its type if the error has no text.
    """
    said = re.search(
        r"CUDA failure \d+: [^;\n]*", str(error)
    )  # behind a signature of a page's length
    return (
        said[0].strip() if said else next(iter(str(error).splitlines()), "") or type(error).__name__
    )


def _check_graphs(operators: Path, graphs: Mapping[Path, bytes]) -> None:
    """Check that CUDA's provider can run graphs with MAPT's operators.

    Raises:
        NoCudaError: the library has no kernels for it, or the graphs are for a CPU.
    """
    others = "export with --ops standard or gridsample"
    if CUDA not in operator_providers(operators):
        raise NoCudaError(
            f"{operators.name}: is built without CUDA kernels; build it where nvcc is, or {others}"
        )
    wrong = next((path for path, graph in graphs.items() if ranks_channels_last(graph)), None)
    if wrong:
        raise NoCudaError(
            f"{wrong}: is made for a CPU; export with --ops custom --device cuda, or {others}"
        )


@functools.cache
def say_once(level: int, text: str) -> None:
    """Log a message to "mapt", once a process."""
    logging.getLogger("mapt").log(level, "mapt: %s", text)


def _check_library(onnxruntime: Any) -> None:
    """Load the provider's library to learn why ONNX Runtime could not.

    Call it only after ONNX Runtime has tried: loading the library earlier would do harm.

    Raises:
        NoCudaError: what it needs is not there; the loader names it.
    """
    names = "onnxruntime_providers_cuda.dll", "libonnxruntime_providers_cuda.so"
    library = Path(onnxruntime.__file__).parent / "capi" / names[os.name != "nt"]
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        raise NoCudaError(
            f"CUDA's provider does not load ({error}); install mapt[gpu] with CUDA's libraries"
        ) from None
