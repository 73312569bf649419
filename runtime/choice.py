"""Which backend runs a bundle here."""

from __future__ import annotations

import functools
import logging
from typing import Literal, get_args

from mapt.errors import InputError
from mapt.runtime.backend import Backend
from mapt.runtime.bundle import Bundle

BackendName = Literal["auto", "ort", "tensorrt"]


def check_name(wanted: str) -> None:
    """Refuse a name that is no backend's.

    Raises:
        InputError: it is none.
    """
    if wanted not in get_args(BackendName):
        raise InputError(f"backend {wanted!r} is unknown; choose one of {', '.join(get_args(BackendName))}")


def open_backend(bundle: Bundle, wanted: BackendName, threads: int | None) -> Backend:
    """The backend of that name; "auto": TensorRT where bundle and machine have all it needs, else ONNX Runtime.

    What "auto" chose, and why not TensorRT, is logged once ("mapt"): a warning where the bundle has engines.

    Raises:
        InputError: that backend is not available.
    """
    if wanted == "tensorrt" or (wanted == "auto" and bundle.engines):
        from mapt.runtime.tensorrt import TensorrtBackend

        try:
            chosen = TensorrtBackend(bundle)
        except InputError as error:
            if wanted == "tensorrt":
                raise
            _say_once(logging.WARNING, f"ONNX Runtime runs the network, the bundle's engines cannot: {error}")
        else:
            if wanted == "auto":
                _say_once(logging.INFO, f"{chosen.machine.library} runs the network on {chosen.machine.target}")
            return chosen
    from mapt.runtime.ort import OrtBackend

    if wanted == "auto" and not bundle.engines:
        _say_once(logging.INFO, "ONNX Runtime runs the network; the bundle has no engines")
    return OrtBackend(bundle, threads)


@functools.cache
def _say_once(level: int, text: str) -> None:
    logging.getLogger("mapt").log(level, "mapt: %s", text)
