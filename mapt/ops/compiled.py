"""Loads the operators compiled from csrc/, chooses when to use them, and registers them."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)
NEWEST = "greedy_keep"  # the operator that was added last; a library without it is an older build
_enabled = True  # see `disabled`


def _load(name: str, device: str) -> str:
    """Load a library beside this file, unless the environment has MAPT_OPS=torchvision.

    The library serves tensors of a device, "CPU" or "CUDA". The result says why it is not loaded,
    and is empty if it is.
    """
    if os.environ.get("MAPT_OPS") == "torchvision":
        return "MAPT_OPS=torchvision"
    built = sorted(Path(__file__).parent.glob(f"{name}*.so"))
    if not built:
        return "they are not built; `mapt doctor` says why"
    try:
        torch.ops.load_library(str(built[0]))
    except OSError as error:
        return f"{built[0].name} does not load: {error}"
    if not _has(NEWEST, device):
        return f"{built[0].name} is of an older build; build it again: make kernels"
    return ""


def _has(operator: str, device: str) -> bool:
    """Tell whether an operator of a library that was loaded serves tensors of a device."""
    if not hasattr(torch.ops.mapt, operator):
        return False
    found: bool = torch._C._dispatch_has_kernel_for_dispatch_key(f"mapt::{operator}", device)
    return found


MISSING = _load("_kernels", "CPU")  # why there are no compiled operators; empty if there are
MISSING_CUDA = MISSING or _load("_cuda", "CUDA")  # the same of those for CUDA tensors


def implementation() -> str:
    """Name what computes the operators here, such as "compiled (avx512)" or "torchvision"."""
    return "torchvision" if MISSING else f"compiled ({torch.ops.mapt.cpu_isa()})"


def usable(*tensors: Tensor) -> bool:
    """Tell whether to call the compiled operators with these tensors.

    The answer is no while a graph is exported, see `mapt.ops.nodes`. If the operators are missing,
    the first call logs a warning.
    """
    if torch.compiler.is_exporting() or not _enabled:
        return False
    devices = {t.device.type for t in tensors}
    missing = MISSING_CUDA if "cuda" in devices else MISSING
    if missing:
        _say_once(missing)
        return False
    return devices in ({"cpu"}, {"cuda"})


@functools.cache
def _say_once(missing: str) -> None:
    if missing != "MAPT_OPS=torchvision":
        logging.getLogger("mapt").warning(
            "mapt: slower operators of torchvision instead of the compiled ones: %s", missing
        )


@contextmanager
def disabled() -> Iterator[None]:
    """Let torchvision compute the operators inside the block, for comparisons.

    The setting holds for the whole process, so do not use it beside other threads.
    """
    global _enabled  # noqa: PLW0603
    before = _enabled
    _enabled = False
    try:
        yield
    finally:
        _enabled = before


def working_type(*tensors: Tensor) -> torch.dtype:
    """Choose the type to compute in: float64 if any tensor has it, otherwise float32."""
    return torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32


def value_type(*tensors: Tensor, gradient: bool = False) -> torch.dtype:
    """Choose the type of values that are read and written, see `working_type` for the arithmetic.

    Operators read and write half precision as such if all values have the same half type. Those for
    CPUs have no gradients of it.

    Args:
        tensors: the values.
        gradient: whether the call's gradient will be wanted.
    """
    dtype = tensors[0].dtype
    same = all(t.dtype == dtype and (t.is_cuda or not gradient) for t in tensors)
    return dtype if same and dtype in HALF else working_type(*tensors)


def coordinate_type(values: torch.dtype) -> torch.dtype:
    """Choose the type of offsets and boxes beside values of a type."""
    return torch.float32 if values in HALF else values


def refuse_gradients(*tensors: Tensor | None) -> None:
    """Refuse tensors that require a gradient, because results in preallocated memory have none.

    Raises:
        RuntimeError: a tensor requires a gradient, and gradients are enabled.
    """
    if wants_gradient(*tensors):
        raise RuntimeError(
            "mapt: out= has no gradient; call it under torch.no_grad() or without out="
        )


def wants_gradient(*tensors: Tensor | None) -> bool:
    """Tell whether gradients are enabled and any of the tensors requires one."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def register(
    name: str,
    fake: Callable[..., Any],
    gradient: Callable[..., Any] | None = None,
    save: Callable[..., Any] | None = None,
) -> None:
    """Register a compiled operator's fake tensors and gradient with PyTorch.

    The call has no effect if the compiled operators are missing.

    Args:
        name: the operator's name in its schema in csrc/operators.
        fake: returns tensors of the result's shapes and types.
        gradient: computes the gradient, see `torch.library.register_autograd`.
        save: saves what the gradient needs (`setup_context`).
    """
    if MISSING:
        return
    torch.library.register_fake(f"mapt::{name}", fake)
    if gradient is not None:
        torch.library.register_autograd(f"mapt::{name}", gradient, setup_context=save)


def fake_nothing(*_: Any) -> None:
    """Serve as the fake of operators that write into `out` and return nothing."""
