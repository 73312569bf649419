"""ONNX Runtime with a stand-in for CUDA, and a bundle for it."""

import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from mapt.errors import InputError
from mapt.runtime.backends import ort as ort_backend
from mapt.runtime.backends import ort_providers as providers
from mapt.runtime.bundle.manifest import Bundle, read_bundle
from tests.runtime.backends import cuda_standin
from tests.runtime.backends.ort_bundles import images


@pytest.fixture
def ort(monkeypatch: pytest.MonkeyPatch) -> cuda_standin.Ort:
    """ONNX Runtime with CUDA, and a GPU."""
    return install(monkeypatch, cuda_standin.Ort())


@pytest.fixture
def streamed_ort(monkeypatch: pytest.MonkeyPatch) -> cuda_standin.Ort:
    """The same with NVIDIA's bindings for Python, so with one stream for all sessions."""
    return install(monkeypatch, cuda_standin.Ort(cuda=cuda_standin.StreamedCuda()))


def install(monkeypatch: pytest.MonkeyPatch, world: cuda_standin.Ort) -> cuda_standin.Ort:
    """Let the backend find this ONNX Runtime."""

    def bindings() -> Any:
        if world.cuda is None:
            raise InputError("CUDA's Python bindings cannot be used")
        return world.cuda

    monkeypatch.setattr(ort_backend, "bindings", bindings)
    monkeypatch.setitem(sys.modules, "onnxruntime", world)
    monkeypatch.setattr(providers, "check_driver", lambda: None)
    monkeypatch.setattr(providers, "_CUDA", providers._Process())
    providers.say_once.cache_clear()
    return world


@pytest.fixture
def checked(bundle: Path) -> Bundle:
    return read_bundle(bundle)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of frames."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, image in enumerate(images(2)):
        cv2.imwrite(str(folder / f"{number:06d}.png"), image)
    return folder
