"""Represents each operator as one node of MAPT's own domain during the export.

mapt.export keeps or rewrites these nodes.

The nodes' inputs and attributes are those of the Python functions; csrc/onnxruntime reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

DOMAIN = "mapt"
VERSION = (
    1  # csrc/onnxruntime/library.cpp has the same; raised with any change of the nodes' meaning
)


def node(
    kind: str,
    inputs: Sequence[Tensor],
    shape: Sequence[int],
    attributes: dict[str, int | Sequence[int]] | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """A node `mapt::<kind>` in place of a computation.

    Args:
        kind: operator.
        inputs: its tensors.
        shape: of the result.
        attributes: its numbers.
        dtype: of the result; None: that of the first input.
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
