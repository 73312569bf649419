"""What tests of ONNX Runtime's providers share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mapt.contract import SUBGRAPHS
from mapt.errors import InputError
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.protocol import Tensors
from mapt.runtime.bundle.manifest import Bundle

Run = Callable[..., Any]
PERIOD = 100_000_000  # ns


def refusal(bundle: Bundle, device: Any) -> str:
    with pytest.raises(InputError) as error:
        OrtBackend(bundle, 1, device)
    assert "\n" not in str(error.value)
    return str(error.value)


def images(count: int) -> list[Any]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (192, 640, 3), np.uint8) for _ in range(count)]


def inputs_of(bundle: Bundle) -> dict[str, Tensors]:
    """Something for every subgraph."""
    random = np.random.default_rng(0)
    given: dict[str, Tensors] = {}
    for spec in SUBGRAPHS:
        given[spec.name] = {
            t.name: (
                (
                    random.random(t.resolve(bundle.info.sizes)) * (255 if t.dtype == "uint8" else 1)
                ).astype(t.dtype)
            )
            for t in spec.inputs
        }
    return given
