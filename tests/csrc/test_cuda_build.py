"""The build of the CUDA kernels (csrc/nvcc.py).

Their operators are tested if they are built and there is a GPU.
"""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from mapt import ops
from mapt.bench.gpu.cases import CONVOLUTIONS, STRIDES, boxes, convolution, motion, pyramid
from mapt.ops import compiled
from tests.ops.conftest import needs_compiled


@pytest.fixture
def nvcc(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "csrc"))
    return importlib.import_module("nvcc")


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_the_toolkit_is_where_nvcc_says(
    nvcc: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    with pytest.raises(FileNotFoundError, match="no nvcc on the path"):
        nvcc.find_toolkit()
    program(
        tmp_path, "nvcc", "echo '#$ TOP=/some/cuda/bin/..' >&2"
    )  # a wrapper far from the toolkit
    assert nvcc.find_toolkit() == Path("/some/cuda")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"no nvcc in .*none/bin"):
        nvcc.find_toolkit()


def test_the_machines_own_gpus(
    nvcc: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvcc.gpus_here() == ()
    with pytest.raises(FileNotFoundError, match="no NVIDIA GPU here"):
        nvcc.find(False)
    program(tmp_path, "nvidia-smi", "echo 12.0; echo 8.6; echo 8.6")
    assert nvcc.gpus_here() == ("86", "120")
    program(tmp_path, "nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9")
    assert nvcc.gpus_here() == ()


def test_tensorrts_headers_are_asked_for_by_name(
    nvcc: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENSORRT_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"TENSORRT_ROOT=.*NvInferRuntime.h"):
        nvcc.find_tensorrt()
    (tmp_path / "include").mkdir()
    (tmp_path / "include/NvInferRuntime.h").touch()
    assert nvcc.find_tensorrt() == tmp_path / "include"


@pytest.mark.skipif(
    bool(compiled.MISSING_CUDA), reason=f"no CUDA operators: {compiled.MISSING_CUDA}"
)
@pytest.mark.parametrize(
    "name",
    [
        "deform_conv2d",
        "deform_conv2d_out",
        "deform_conv2d_backward",
        "multiscale_roi_align",
        "multiscale_roi_align_out",
        "multiscale_roi_align_backward",
        "propagate_masks",
        "propagate_masks_out",
        "propagated_features",
        "propagated_features_out",
    ],
)
def test_every_operator_is_there_for_cuda_tensors(name: str) -> None:
    assert torch._C._dispatch_has_kernel_for_dispatch_key(f"mapt::{name}", "CUDA")


def results(device: str) -> list[Tensor]:
    """Every operator and its gradients, from tensors on a device."""
    (image, offset, weight, bias), geometry = convolution(CONVOLUTIONS[4])
    leaves = [t.to(device).requires_grad_() for t in (image, offset, weight, bias)]
    out = ops.deform_conv2d(*leaves, *geometry)
    found = [out, *torch.autograd.grad(out.square().sum(), leaves)]
    features = [f.to(device).requires_grad_() for f in pyramid(193, 311)]
    pooled = ops.multiscale_roi_align(features, boxes(90, 2, 193, 311).to(device), 7, STRIDES)
    found += [pooled, *torch.autograd.grad(pooled.square().sum(), features)]
    logits, rows = ops.propagate_masks(*(t.to(device) for t in motion(9, 23, 37, 3)))
    assert rows is not None
    return [t.detach().cpu() for t in (*found, logits, rows)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.skipif(
    bool(compiled.MISSING_CUDA), reason=f"no CUDA operators: {compiled.MISSING_CUDA}"
)
def test_a_gpu_computes_what_the_cpu_does_with_the_same_bits_every_time() -> None:
    first = results("cuda")
    second = results("cuda")
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    for got, want in zip(first, results("cpu"), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5 * (1 + want.abs().max().item()))


@needs_compiled
def test_the_comparison_itself_runs() -> None:
    assert all(t.isfinite().all() for t in results("cpu"))
