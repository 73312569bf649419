"""Chooses the backend that runs a bundle on this machine."""

from __future__ import annotations

import importlib
import logging
from typing import Literal, get_args

from mapt.cores import check_threads, usable_cores
from mapt.errors import InputError, suggest
from mapt.runtime.backends.ort_providers import check_device, say_once
from mapt.runtime.backends.protocol import Backend, Options
from mapt.runtime.bundle.manifest import Bundle

# Each is a module beside this one, whose `open_bundle(bundle, options)` gives the backend.
BackendName = Literal["auto", "ort", "tensorrt", "openvino", "rtx"]


def check_name(wanted: str) -> None:
    """Refuse a name that is no backend's.

    Raises:
        InputError: it is none.
    """
    if wanted not in get_args(BackendName):
        raise InputError(
            f"backend {wanted!r} is unknown; {suggest(str(wanted), get_args(BackendName))}"
        )


def open_backend(bundle: Bundle, wanted: BackendName, options: Options) -> Backend:
    """Open the backend of that name, or choose one.

    "auto" takes TensorRT if the bundle and the machine have all it needs, and ONNX Runtime
    otherwise. What it chose, and why not TensorRT, is logged once ("mapt"): a warning where the
    bundle has engines.

    Args:
        bundle: what is run.
        wanted: the backend's name.
        options: how it runs. More threads than cores that this process may use are as many as
            those cores, because more would only wait for each other.

    Raises:
        InputError: that backend or device is not available.
    """
    check_name(wanted)
    check_device(options.device)
    if options.threads is not None:
        options = options.with_threads(min(check_threads(options.threads), usable_cores()))
    if wanted != "auto":
        return _open(wanted, bundle, options)
    if not bundle.engines:
        say_once(logging.INFO, "ONNX Runtime runs the network; the bundle has no engines")
    elif options.device != "cpu":
        try:
            chosen = _open("tensorrt", bundle, options)
        except InputError as error:
            say_once(
                logging.WARNING,
                f"ONNX Runtime runs the network, the bundle's engines cannot: {error}",
            )
        else:
            say_once(logging.INFO, f"{chosen.providers['backbone']} runs the network")
            return chosen
    return _open("ort", bundle, options)


def _open(name: str, bundle: Bundle, options: Options) -> Backend:
    module = importlib.import_module(f"mapt.runtime.backends.{name}")
    backend: Backend = module.open_bundle(bundle, options)
    return backend
