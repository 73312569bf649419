"""The operators compiled from csrc/, where they are built: loading, choosing and registering."""

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

_enabled = True  # see `disabled`


def _load(name: str) -> str:
    """Load a library beside this file; what is in the way, or nothing.

    MAPT_OPS=torchvision in the environment leaves it alone.
    """
    if os.environ.get("MAPT_OPS") == "torchvision":
        return "MAPT_OPS=torchvision"
    built = sorted(Path(__file__).parent.glob(f"{name}*.so"))
    if not built:
        return "they are not built; `mapt doctor` says why"
    try:
        torch.ops.load_library(str(built[0]))
        return ""
    except OSError as error:
        return f"{built[0].name} does not load: {error}"


MISSING = _load("_kernels")  # why the compiled operators are not there; empty where they are
MISSING_CUDA = MISSING or _load("_cuda")  # and those for CUDA tensors


def implementation() -> str:
    """What computes the operators on this machine: "compiled (avx512)" or "torchvision"."""
    return "torchvision" if MISSING else f"compiled ({torch.ops.mapt.cpu_isa()})"


def usable(*tensors: Tensor) -> bool:
    """Do the compiled operators take these tensors, here and now?

    Not while a graph is exported (`mapt.ops.nodes`). Where they are missing, the first question is
    answered aloud.
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
    """Let torchvision compute the operators within the block, for comparisons.

    This is not meant for several threads.
    """
    global _enabled  # noqa: PLW0603
    before = _enabled
    _enabled = False
    try:
        yield
    finally:
        _enabled = before


def working_type(*tensors: Tensor) -> torch.dtype:
    """float64 if any tensor is, else float32: what half-precision tensors are computed in."""
    return torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32


def refuse_gradients(*tensors: Tensor | None) -> None:
    """Results in preallocated memory have no gradient.

    Raises:
        RuntimeError: a tensor wants one.
    """
    if wants_gradient(*tensors):
        raise RuntimeError(
            "mapt: out= has no gradient; call it under torch.no_grad() or without out="
        )


def wants_gradient(*tensors: Tensor | None) -> bool:
    """Is a graph recorded, and is any tensor part of it?"""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def register(
    name: str,
    fake: Callable[..., Any],
    gradient: Callable[..., Any] | None = None,
    save: Callable[..., Any] | None = None,
) -> None:
    """Tell PyTorch what a compiled operator gives; without effect where there are none.

    Args:
        name: of its schema in csrc/operators.
        fake: gives tensors of the result's shapes and types.
        gradient: its gradient, as `torch.library.register_autograd` takes it.
        save: keeps what the gradient needs.
    """
    if MISSING:
        return
    torch.library.register_fake(f"mapt::{name}", fake)
    if gradient is not None:
        torch.library.register_autograd(f"mapt::{name}", gradient, setup_context=save)


def fake_nothing(*_: Any) -> None:
    """The fake of operators that write into `out`."""
