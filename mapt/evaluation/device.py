"""Which device computes, and in which arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mapt.errors import InputError


def find_device(name: str, option: str = "--device") -> torch.device:
    """The device that a name stands for.

    Args:
        name: "cpu", "cuda" (the first GPU), "cuda:1" (the second), or "auto": the first GPU where
            there is one.
        option: where the name was given, for the message.

    Raises:
        InputError: no such name, or a GPU that is not there; the CPU never stands in for one.
    """
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (
        number and (kind != "cuda" or not number.isdecimal())
    ):
        raise InputError(f"{option} {name}: is no device; choose auto, cpu, cuda or cuda:N")
    gpus = 0 if kind == "cpu" else torch.cuda.device_count()
    if kind == "cpu" or (kind == "auto" and not gpus):
        return torch.device("cpu")
    index = int(number or 0)
    if index >= gpus:
        raise InputError(f"{option} {name}: {why_missing(gpus)}; take another device, or cpu")
    return torch.device("cuda", index)


def why_missing(gpus: int) -> str:
    """Why PyTorch does not reach a GPU that was asked for; `gpus` are those it reaches."""
    if gpus:
        return f"this machine has {gpus} GPU{'s' if gpus > 1 else ''}, counted from 0"
    if torch.version.cuda is None:
        return "this PyTorch is built for the CPU alone"
    return f"PyTorch, built for CUDA {torch.version.cuda}, finds no GPU on this machine"


def describe_device(device: torch.device, tf32: bool = False) -> str:
    """A device in words, with the arithmetic of float32 where there is a choice."""
    if device.type != "cuda":
        return device.type
    return (
        f"{device} ({torch.cuda.get_device_name(device)},"
        f" {'TF32' if tf32 else 'float32 without TF32'})"
    )


@contextmanager
def arithmetic(tf32: bool = False) -> Iterator[None]:
    """Inside, a GPU multiplies float32 in float32, or in TF32 where that is asked for.

    TF32 keeps 10 of 23 bits of every factor. PyTorch's own choice is TF32 for convolutions and
    float32 for matrix products. The setting is one of the process, and it is put back.
    """
    matmul = torch.backends.cuda.matmul
    cudnn = torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
