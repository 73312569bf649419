"""ONNX Runtime's TensorRT-RTX provider: its real library without a GPU, and a stand-in for one."""

import logging
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from mapt.errors import InputError
from mapt.io.pretrained import shipped_bundle
from mapt.runtime import PanopticTracker
from mapt.runtime.backends import rtx
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.ort_providers import check_driver
from mapt.runtime.backends.rtx import RtxBackend, find_devices
from mapt.runtime.bundle.manifest import Bundle, read_bundle
from tests.runtime.backends.ort_bundles import images

NAME = "NvTensorRTRTXExecutionProvider"


class Options:
    """Options of a session, which note what is added."""

    def __init__(self, world: "Ort") -> None:
        self.real = onnxruntime.SessionOptions()
        self.world = world
        self.log_severity_level = 3

    def add_session_config_entry(self, key: str, value: str) -> None:
        self.world.entries[key] = value

    def add_provider_for_devices(self, devices: list[Any], options: dict[str, str]) -> None:
        self.world.devices.append([device.ep_name for device in devices])


class Ort:
    """ONNX Runtime whose provider's devices are the CPU's."""

    __version__ = "1.32.0"

    def __init__(self) -> None:
        self.registered: list[tuple[str, str]] = []
        self.devices: list[list[str]] = []
        self.entries: dict[str, str] = {}
        self.gpus = 2
        self.refuses = ""

    def register_execution_provider_library(self, name: str, path: str) -> None:
        self.registered.append((name, path))

    def get_ep_devices(self) -> list[Any]:
        names = ["CPUExecutionProvider", *([NAME] * self.gpus if self.registered else [])]
        return [SimpleNamespace(ep_name=name) for name in names]

    def SessionOptions(self) -> Options:
        return Options(self)

    def InferenceSession(self, graph: bytes, options: Options) -> Any:
        if self.refuses:
            raise RuntimeError(self.refuses)
        return onnxruntime.InferenceSession(graph, options.real, providers=["CPUExecutionProvider"])


@pytest.fixture
def ort(monkeypatch: pytest.MonkeyPatch) -> Ort:
    world = Ort()
    plugin = SimpleNamespace(
        get_ep_name=lambda: NAME, get_library_path=lambda: "plugin.so", __version__="0.5.0"
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", world)
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", plugin)
    monkeypatch.setattr(rtx, "check_driver", lambda: None)
    monkeypatch.setattr(rtx, "device_target", lambda: "sm89")
    return world


@pytest.fixture
def gridsample() -> Bundle:
    """The default network in the gridsample lowering."""
    return read_bundle(shipped_bundle() / "192x640-gridsample")


def test_it_runs_every_graph_on_one_device_alone(
    gridsample: Bundle, request: pytest.FixtureRequest
) -> None:
    other = OrtBackend(gridsample, 1, "cpu")
    ort = request.getfixturevalue("ort")
    backend = RtxBackend(gridsample)
    assert ort.registered == [(NAME, "plugin.so")] and ort.devices == [[NAME]] * 5
    assert ort.entries["session.disable_cpu_ep_fallback"] == "1"
    assert set(backend.providers.values()) == {f"{NAME} 0.5.0"}
    RtxBackend(gridsample)
    assert len(ort.registered) == 1  # a second registration would be an error
    trackers = [PanopticTracker(backend), PanopticTracker(other)]
    for number, image in enumerate(images(2)):
        first, second = (t.step(image, number * 100_000_000) for t in trackers)
        np.testing.assert_array_equal(first.instance, second.instance)
        np.testing.assert_array_equal(first.semantic, second.semantic)


def test_what_it_lacks_is_told(
    ort: Ort, gridsample: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    caplog.set_level(logging.INFO, "mapt")
    ort.refuses = "node is not assigned\nmore"
    with pytest.raises(InputError, match=r"\w+.onnx: .* does not run all of it"):
        RtxBackend(gridsample)
    ort.gpus = 0
    ort.registered.clear()
    with pytest.raises(InputError, match="finds no GPU; take backend 'ort'"):
        RtxBackend(gridsample)
    monkeypatch.setattr(rtx, "device_target", lambda: "sm90")
    with pytest.raises(InputError, match=r"RTX does not support this GPU, sm90, but sm75, sm86"):
        RtxBackend(gridsample)
    monkeypatch.setattr(Ort, "__version__", "1.23.2")
    with pytest.raises(InputError, match=r"needs ONNX Runtime 1.24 or newer, 1.23.2 is installed"):
        RtxBackend(gridsample)
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_nv_tensorrt_rtx", None)
    with pytest.raises(InputError, match=r"onnxruntime_ep_nv_tensorrt_rtx is not installed; inst"):
        RtxBackend(gridsample)


def test_the_real_library_says_that_there_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime_ep_nv_tensorrt_rtx")
    try:
        check_driver()
    except InputError:
        pass
    else:
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="NVIDIA's driver is not installed"):
        find_devices()
    monkeypatch.setattr(rtx, "check_driver", lambda: None)
    monkeypatch.setattr(rtx, "device_target", lambda: "sm89")
    with pytest.raises(InputError, match=f"ONNX Runtime does not load {NAME} .*libcuda"):
        find_devices()


def test_it_is_named_like_the_others(ort: Ort) -> None:
    folder = shipped_bundle() / "192x640-gridsample"
    with pytest.raises(InputError, match="runs on a GPU, not on device 'cpu'"):
        PanopticTracker.load(folder, backend="rtx", device="cpu")
    with pytest.raises(InputError, match="export with --ops gridsample"):
        PanopticTracker.load(shipped_bundle() / "192x640", backend="rtx")
    assert PanopticTracker.load(folder, backend="rtx").backend.name == "rtx"
