"""Which backend runs a bundle here."""

from __future__ import annotations

import logging
from typing import Literal, get_args

from mapt.errors import InputError
from mapt.io.prefetch import check_threads, usable_cores
from mapt.runtime.backends.ort_providers import Device, check_device, say_once
from mapt.runtime.backends.protocol import Backend
from mapt.runtime.bundle.manifest import Bundle

BackendName = Literal["auto", "ort", "tensorrt"]


def check_name(wanted: str) -> None:
    """Refuse a name that is no backend's.

    Raises:
        InputError: it is none.
    """
    if wanted not in get_args(BackendName):
        raise InputError(
            f"backend {wanted!r} is unknown; choose one of {', '.join(get_args(BackendName))}"
        )


def open_backend(
    bundle: Bundle,
    wanted: BackendName,
    threads: int | None,
    device: Device = "auto",
    tf32: bool = False,
) -> Backend:
    """Open the backend of that name, or choose one.

    "auto" takes TensorRT if the bundle and the machine have all it needs, and ONNX Runtime
    otherwise.

    What "auto" chose, and why not TensorRT, is logged once ("mapt"): a warning where the bundle has
    engines.

    Args:
        bundle: what is run.
        wanted: the backend's name.
        threads: of the network on a CPU; None, or more than that: as many as cores that this
            process may use.
        device: see `choose_provider`; on "cpu" there is no TensorRT.
        tf32: see `cuda_options`; engines are as they were built.

    Raises:
        InputError: that backend or device is not available.
    """
    check_name(wanted)
    check_device(device)
    if threads is not None:  # more than there are cores would only wait for each other
        threads = min(check_threads(threads), usable_cores())
    if wanted == "tensorrt" and device == "cpu":
        raise InputError(
            "backend 'tensorrt': runs on a GPU, not on device 'cpu'; take backend 'ort'"
        )
    if wanted == "tensorrt" or (wanted == "auto" and bundle.engines and device != "cpu"):
        from mapt.runtime.backends.tensorrt import TensorrtBackend

        try:
            chosen = TensorrtBackend(bundle)
        except InputError as error:
            if wanted == "tensorrt":
                raise
            say_once(
                logging.WARNING,
                f"ONNX Runtime runs the network, the bundle's engines cannot: {error}",
            )
        else:
            if wanted == "auto":
                say_once(
                    logging.INFO,
                    f"{chosen.machine.library} runs the network on {chosen.machine.target}",
                )
            return chosen
    from mapt.runtime.backends.ort import OrtBackend

    if wanted == "auto" and not bundle.engines:
        say_once(logging.INFO, "ONNX Runtime runs the network; the bundle has no engines")
    return OrtBackend(bundle, threads, device, tf32)
