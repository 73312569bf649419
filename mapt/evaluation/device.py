"""Chooses the device that computes, and its arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mapt.errors import InputError


def find_device(name: str, option: str = "--device") -> torch.device:
    """Find the device of a name.

    Args:
        name: "cpu", "cuda" (the first GPU), "cuda:1" (the second), or "auto", which is the first
            GPU if there is one, and otherwise the CPU.
        option: the option that gave the name, for the message.

    Raises:
        InputError: the name is unknown, or there is no such GPU. The CPU never replaces a GPU.
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
    """Say why PyTorch does not find a GPU.

    Args:
        gpus: the number of GPUs that it finds.
    """
    if gpus:
        return f"this machine has {gpus} GPU{'s' if gpus > 1 else ''}, counted from 0"
    if torch.version.cuda is None:
        return "this PyTorch is built for the CPU alone"
    return f"PyTorch, built for CUDA {torch.version.cuda}, finds no GPU on this machine"


def describe_device(device: torch.device, tf32: bool = False) -> str:
    """Describe a device, and its arithmetic of float32 if it is a GPU.

    Args:
        device: the device.
        tf32: whether a GPU may round factors to TF32.
    """
    if device.type != "cuda":
        return device.type
    return (
        f"{device} ({torch.cuda.get_device_name(device)},"
        f" {'TF32' if tf32 else 'float32 without TF32'})"
    )


@contextmanager
def arithmetic(tf32: bool = False) -> Iterator[None]:
    """Let a GPU multiply float32 numbers exactly, or in TF32, inside the block.

    TF32 keeps 10 of the 23 bits of every factor's mantissa. PyTorch's default is TF32 for
    convolutions, and float32 for matrix products. The setting holds for the whole process, and is
    restored afterwards.

    Args:
        tf32: round factors to TF32.
    """
    matmul = torch.backends.cuda.matmul
    cudnn = torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
