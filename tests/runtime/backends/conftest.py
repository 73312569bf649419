"""ONNX Runtime with a stand-in for CUDA, and a bundle for it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from mapt.errors import InputError
from mapt.runtime.backends import ort as ort_backend
from mapt.runtime.backends import ort_providers as providers
from mapt.runtime.backends.tensorrt import Machine
from mapt.runtime.bundle.manifest import Bundle, EngineFile, read_bundle
from tests.runtime.backends import cuda_standin, tensorrt_standin
from tests.runtime.backends.device.cuda_api import Cuda
from tests.runtime.backends.ort_bundles import images


@pytest.fixture
def ort(monkeypatch: pytest.MonkeyPatch) -> cuda_standin.Ort:
    """ONNX Runtime with CUDA, and a GPU."""
    return install(monkeypatch, cuda_standin.Ort())


@pytest.fixture
def streamed_ort(monkeypatch: pytest.MonkeyPatch) -> cuda_standin.Ort:
    """The same with NVIDIA's bindings for Python, so with one stream for all sessions."""
    return install(monkeypatch, cuda_standin.Ort(cuda=Cuda()))


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


@pytest.fixture
def network(scene: Callable[..., Any], actor: Callable[..., Any]) -> Any:
    """A scene with a car that is hidden for a while, another car, and a person.

    It needs more than one batch of the motion head.
    """
    return scene(
        actor(0, 8, dx=4, look=0, score=0.95, hidden=(2, 3)),
        actor(80, 24, dx=-4, look=1, score=0.9),
        actor(40, 44, label=3, look=2, score=0.7),
    )


@pytest.fixture
def world(network: Any) -> tensorrt_standin.Trt:
    """TensorRT whose engines compute what the scene says."""
    return tensorrt_standin.Trt(network)


@pytest.fixture
def engines(network: Any, tmp_path: Path) -> Bundle:
    """A bundle with engines for sm86, of the stand-in's version."""
    files = tensorrt_standin.write_engines(tmp_path)
    built = {
        name: EngineFile(path, tensorrt_standin.LIBRARY, "built", {})
        for name, path in files.items()
    }
    return Bundle(tmp_path, "0" * 64, network.info, "gridsample", "fp32", {}, {}, {"sm86": built})


@pytest.fixture
def machine(world: tensorrt_standin.Trt) -> Machine:
    """A machine with a GPU."""
    return Machine(world, tensorrt_standin.LIBRARY, world.cuda, "sm86")
