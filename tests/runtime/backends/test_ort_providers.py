"""Which of ONNX Runtime's providers runs a bundle, and what is said where CUDA's does not."""

import ctypes
import json
import logging
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from mapt.contract import SUBGRAPHS
from mapt.runtime import BackendError, PanopticTracker, Status
from mapt.runtime.backends import ort_providers as providers
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.ort_providers import CPU, CUDA, RELU, NoCudaError
from mapt.runtime.bundle.manifest import Bundle
from mapt.runtime.persistence.recording import digest
from tests.runtime.backends import cuda_standin
from tests.runtime.backends.ort_bundles import PERIOD, images, refusal


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_cuda_runs_every_subgraph_in_float32_and_health_says_so(
    ort: cuda_standin.Ort, bundle: Path, device: Any
) -> None:
    tracker = PanopticTracker.load(bundle, threads=1, device=device, core="python")
    assert tracker.health().providers == {s.name: CUDA for s in SUBGRAPHS}
    assert json.loads(json.dumps(tracker.health().to_dict()))["providers"]["motion"] == CUDA
    assert ort.log == [
        "preload",
        *[CUDA] * (1 + len(SUBGRAPHS)),
    ], "libraries come before the first session"
    assert len(ort.settings) == 1 + len(SUBGRAPHS)
    assert {(s["use_tf32"], s["cudnn_conv_algo_search"]) for s in ort.settings} == {
        ("0", "HEURISTIC")
    }
    assert set(ort.placed) == {"cuda"}


def test_tf32_is_on_only_by_request_and_stated(ort: cuda_standin.Ort, bundle: Path) -> None:
    tracker = PanopticTracker.load(bundle, threads=1, device="cuda", tf32=True)
    assert set(tracker.health().providers.values()) == {f"{CUDA} with TF32"}
    assert [s["use_tf32"] for s in ort.settings] == ["0", *["1"] * len(SUBGRAPHS)]
    assert set(
        PanopticTracker.load(bundle, threads=1, device="cpu", tf32=True).health().providers.values()
    ) == {CPU}


def test_tracks_are_those_of_the_cpu(ort: cuda_standin.Ort, bundle: Path) -> None:
    trackers = [PanopticTracker.load(bundle, threads=1, device=d) for d in ("cuda", "cpu")]
    for number, image in enumerate(images(3)):
        one, other = (digest(t.step(image, number * PERIOD)) for t in trackers)
        assert one == other


def test_a_provider_that_does_not_load_is_an_error_with_the_loaders_reason(
    ort: cuda_standin.Ort, checked: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    """ONNX Runtime itself takes the CPU, and says nothing that a program could read."""
    ort.loads = False
    text = refusal(checked, "cuda")
    assert text.startswith(
        "device 'cuda': CUDA's provider does not load (/nowhere/onnxruntime/capi/lib"
    )
    assert "cannot open shared object file" in text and "device 'cpu'" in text
    for _ in range(2):
        assert set(OrtBackend(checked, 1).providers.values()) == {CPU}
    (message,) = caplog.messages
    assert "mapt: the CPU runs the network, CUDA cannot: CUDA's provider does not load" in message
    assert caplog.records[0].levelno == logging.WARNING


def test_a_build_without_cuda_is_refused_where_cuda_is_asked_for(
    ort: cuda_standin.Ort, checked: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    ort.providers = [CPU]
    assert "has no CUDA provider; install mapt[gpu]; or take device 'cpu'" in refusal(
        checked, "cuda"
    )
    assert set(OrtBackend(checked, 1, "auto").providers.values()) == {CPU}
    assert not caplog.messages and ort.log == [CPU] * len(SUBGRAPHS)


def test_without_a_gpu_nothing_of_cuda_is_loaded(
    ort: cuda_standin.Ort,
    checked: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def none() -> None:
        raise NoCudaError("NVIDIA's driver finds no GPU")

    monkeypatch.setattr(providers, "check_driver", none)
    assert (
        refusal(checked, "cuda")
        == "device 'cuda': NVIDIA's driver finds no GPU; or take device 'cpu'"
    )
    assert set(OrtBackend(checked, 1).providers.values()) == {CPU}
    assert caplog.messages == [
        "mapt: the CPU runs the network, CUDA cannot: NVIDIA's driver finds no GPU"
    ]
    assert ort.log == [CPU] * len(SUBGRAPHS)


class Driver:
    """NVIDIA's driver: what cuInit says, and how many GPUs there are."""

    def __init__(self, status: int, gpus: int) -> None:
        self.status = status
        self.gpus = gpus

    def __call__(self, name: str) -> "Driver":
        return self

    def cuInit(self, _: int) -> int:
        return self.status

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.gpus
        return 0

    def cuGetErrorString(self, _: int, text: Any) -> int:
        text._obj.value = b"no CUDA-capable device is detected"
        return 0


def test_the_driver_says_why_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for driver, words in (
        (Driver(100, 0), r"\(no CUDA-capable device is detected\)"),
        (Driver(0, 0), "finds no GPU"),
    ):
        monkeypatch.setattr(ctypes, "CDLL", driver)
        with pytest.raises(NoCudaError, match=words):
            providers.check_driver()
    monkeypatch.setattr(ctypes, "CDLL", Driver(0, 1))
    providers.check_driver()

    def none(name: str) -> Driver:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", none)
    with pytest.raises(NoCudaError, match=r"driver is not installed \(libcuda"):
        providers.check_driver()


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_after_an_illegal_access_no_tracker_goes_on_with_the_cpu(
    ort: cuda_standin.Ort, checked: Bundle, device: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = PanopticTracker(OrtBackend(checked, 1, device))
    (image,) = images(1)
    tracker.step(image, 0)
    ort.broken = True
    with pytest.raises(
        BackendError,
        match=r"^backbone: RuntimeError: CUDA failure 700: an illegal .*; frame dropped$",
    ):
        tracker.step(image, PERIOD)
    assert tracker.health().status is Status.FAULT and set(tracker.health().providers.values()) == {
        CUDA
    }
    sessions = tracker.backend.sessions  # type: ignore[attr-defined]
    assert sessions["backbone"].get_providers()[0] == CUDA
    text = refusal(checked, device)
    assert text.startswith(
        "CUDA worked in this process and fails now (CUDA failure 700: an illegal memory access"
    )
    assert "start the process again" in text and not capfd.readouterr().out


def test_a_cuda_that_never_worked_here_is_no_reason_for_auto_to_fail(
    ort: cuda_standin.Ort, checked: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver may be too old for this ONNX Runtime, or the GPU."""
    ort.broken = True
    assert "device 'cuda': CUDA's provider fails (" in refusal(checked, "cuda")
    assert set(OrtBackend(checked, 1).providers.values()) == {CPU}
    assert "CUDA's provider fails" in caplog.messages[0]


def test_a_session_that_comes_up_elsewhere_is_refused(
    ort: cuda_standin.Ort, checked: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """CUDA came up, and a graph's own session has the CPU all the same."""
    started = providers.start_cuda

    def start(module: Any) -> None:
        started(module)
        ort.loads = False

    monkeypatch.setattr(providers, "start_cuda", start)
    assert ".onnx: CUDA's provider does not load" in refusal(checked, "auto")
    ort.loads = True
    ort.__file__ = str(tmp_path / "__init__.py")
    monkeypatch.setattr(providers, "_check_library", lambda _: None)
    assert ".onnx: CUDA's provider did not come up, and ONNX Runtime says no reason" in refusal(
        checked, "auto"
    )


def test_the_smallest_graph_is_what_it_says() -> None:
    model = onnx.load_from_string(RELU)
    onnx.checker.check_model(model)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    assert model == helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
