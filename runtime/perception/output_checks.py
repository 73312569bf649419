"""Compares what the network gives with the contract; what breaks it never reaches the tracks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapt.contract import BY_NAME, ModelInfo
from mapt.runtime.backends.ort_providers import brief
from mapt.runtime.errors import BackendError, OutputError


def check_outputs(subgraph: str, outputs: Mapping[str, Any], info: ModelInfo) -> None:
    """Compare a subgraph's outputs with the contract, as far as they are known on the host.

    The values of a device tensor are not. Those that the host reads are checked then
    (`check_values`), and wrong ones among the others show in what is computed from them.

    Raises:
        OutputError: a tensor is missing, of another type or shape, or an array holds NaN or
            infinity.
    """
    for spec in BY_NAME[subgraph].outputs:
        found = outputs.get(spec.name)
        shape = spec.resolve(info.sizes)
        known = isinstance(found, np.ndarray) or callable(getattr(found, "numpy", None))
        if found is None or not known or found.dtype != spec.dtype or tuple(found.shape) != shape:
            what = (
                f"{found.dtype} {found.shape}"
                if found is not None and known
                else (type(found).__name__)
            )
            raise OutputError(
                f"{subgraph}: {spec.name} is {what}, the contract says {spec.dtype} {shape}; frame"
                " dropped"
            )
        if isinstance(found, np.ndarray):
            check_values(subgraph, spec.name, found)


def check_values(subgraph: str, name: str, values: NDArray[Any]) -> None:
    """Raise OutputError where an output holds NaN or infinity."""
    if values.dtype == np.float32 and not _finite(values):
        raise OutputError(f"{subgraph}: {name} holds NaN or infinity; frame dropped")


def _finite(values: NDArray[np.float32]) -> bool:
    """Tell whether all values are finite, without allocating an array.

    The minimum of values with a NaN is NaN.
    """
    return math.isfinite(values.min(initial=0)) and math.isfinite(values.max(initial=0))


def check_instances(outputs: Mapping[str, NDArray[Any]], info: ModelInfo) -> None:
    """Check the ranges of the instance head's values.

    Raises:
        OutputError: a count outside 0..D, a class that is no thing, or a score outside [0,1].
    """
    count = int(outputs["count"][0])
    if not 0 <= count <= info.sizes["D"]:
        raise OutputError(
            f"instance: count is {count}, not within 0..{info.sizes['D']}; frame dropped"
        )
    classes = outputs["classes"][:count]
    scores = outputs["scores"][:count]
    if not np.isin(classes, info.things).all():
        raise OutputError(f"instance: a class is none of the things {info.things}; frame dropped")
    if count and not (scores.min() >= 0 and scores.max() <= 1):
        raise OutputError("instance: a score is outside [0,1]; frame dropped")


def check_labels(labels: NDArray[np.uint8], info: ModelInfo) -> None:
    """Raise OutputError where a semantic label is no class of the network."""
    if int(labels.max()) >= len(info.classes):
        raise OutputError(
            f"semantic: a label is {int(labels.max())}, not within 0..{len(info.classes) - 1};"
            " frame dropped"
        )


def failed(subgraph: str, error: Exception) -> BackendError:
    """Return the error that says in one line which subgraph failed, and why."""
    text = brief(error) if "CUDA failure" in str(error) else " ".join(str(error).split())
    return BackendError(
        f"{subgraph}: {type(error).__name__}: {text or 'no message'}; frame dropped"
    )
