"""How the CUDA kernels are built (csrc/nvcc.py), and their operators where they are built."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from mapt.ops import compiled


@pytest.fixture
def nvcc(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "csrc"))
    return importlib.import_module("nvcc")


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_the_toolkit_is_where_nvcc_says(nvcc: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    with pytest.raises(FileNotFoundError, match="no nvcc on the path"):
        nvcc.find_toolkit()
    program(tmp_path, "nvcc", "echo '#$ TOP=/some/cuda/bin/..' >&2")  # a wrapper far from the toolkit
    assert nvcc.find_toolkit() == Path("/some/cuda")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"no nvcc in .*none/bin"):
        nvcc.find_toolkit()


def test_the_machines_own_gpus(nvcc: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.skipif(bool(compiled.MISSING_CUDA), reason=f"no CUDA operators: {compiled.MISSING_CUDA}")
@pytest.mark.parametrize(
    "name",
    [
        "deform_conv2d", "deform_conv2d_out", "deform_conv2d_backward", "multiscale_roi_align",
        "multiscale_roi_align_out", "multiscale_roi_align_backward", "propagate_masks", "propagate_masks_out",
        "propagated_features", "propagated_features_out",
    ],
)  # fmt: skip
def test_every_operator_is_there_for_cuda_tensors(name: str) -> None:
    assert torch._C._dispatch_has_kernel_for_dispatch_key(f"mapt::{name}", "CUDA")
