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


def check_outputs(subgraph: str, outputs: Mapping[str, NDArray[Any]], info: ModelInfo) -> None:
    """Compare a subgraph's outputs with the contract.

    Raises:
        OutputError: a tensor is missing, of another type or shape, or holds NaN or infinity.
    """
    for spec in BY_NAME[subgraph].outputs:
        found = outputs.get(spec.name)
        shape = spec.resolve(info.sizes)
        if not isinstance(found, np.ndarray) or found.dtype != spec.dtype or found.shape != shape:
            what = (
                f"{found.dtype} {found.shape}"
                if isinstance(found, np.ndarray)
                else type(found).__name__
            )
            raise OutputError(
                f"{subgraph}: {spec.name} is {what}, the contract says {spec.dtype} {shape}; frame"
                " dropped"
            )
        if spec.dtype == "float32" and not _finite(found):
            raise OutputError(f"{subgraph}: {spec.name} holds NaN or infinity; frame dropped")


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
