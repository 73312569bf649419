"""Represents each operator as one node of MAPT's own domain during the export.

mapt.export keeps or rewrites these nodes. Their inputs and attributes are those of the Python
functions, and csrc/onnxruntime reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

DOMAIN = "mapt"
# Raise it here and in csrc/onnxruntime/library.cpp when the meaning of an existing node changes.
VERSION = 1


def node(
    kind: str,
    inputs: Sequence[Tensor],
    shape: Sequence[int],
    attributes: dict[str, int | Sequence[int]] | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Put a node `mapt::<kind>` into the exported graph in place of a computation.

    Args:
        kind: the operator's name.
        inputs: its tensors.
        shape: the result's shape.
        attributes: its numbers by name.
        dtype: the result's type. None takes the type of the first input.

    Returns:
        The result, a tensor of this shape and type.
    """
    result: Tensor = torch.onnx.ops.symbolic(
        f"{DOMAIN}::{kind}",
        inputs,
        dict(attributes or {}),
        dtype=dtype or inputs[0].dtype,
        shape=shape,
        version=VERSION,
    )
    return result
