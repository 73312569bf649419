"""Which of ONNX Runtime's providers runs a bundle, and what is said where CUDA's does not."""

import ctypes
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mapt.app.track_source import track_source
from mapt.bench.latency.interleaved import Counted
from mapt.contract import BY_NAME, SUBGRAPHS
from mapt.errors import InputError
from mapt.export.bundle.writer import Request, export_bundle
from mapt.io.frame_source import open_sources
from mapt.io.pretrained import shipped_weights
from mapt.runtime import BackendError, PanopticTracker, Status
from mapt.runtime.backends import choice
from mapt.runtime.backends import operators as operators_module
from mapt.runtime.backends import ort_providers as providers
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.backends.ort_providers import CPU, CUDA, RELU, NoCudaError
from mapt.runtime.backends.protocol import Options, Tensors
from mapt.runtime.bundle.manifest import Bundle, read_bundle
from mapt.runtime.persistence.recording import digest
from tests.runtime.backends import cuda_standin
from tests.runtime.backends.test_operators import needs_library

Run = Callable[..., Any]
PERIOD = 100_000_000  # ns


@pytest.fixture
def ort(monkeypatch: pytest.MonkeyPatch) -> cuda_standin.Ort:
    """ONNX Runtime with CUDA, and a GPU."""
    world = cuda_standin.Ort()
    monkeypatch.setitem(sys.modules, "onnxruntime", world)
    monkeypatch.setattr(providers, "check_driver", lambda: None)
    monkeypatch.setattr(providers, "_CUDA", providers._Process())
    providers.say_once.cache_clear()
    return world


@pytest.fixture
def checked(bundle: Path) -> Bundle:
    return read_bundle(bundle)


def refusal(bundle: Bundle, device: Any) -> str:
    with pytest.raises(InputError) as error:
        OrtBackend(bundle, 1, device)
    assert "\n" not in str(error.value)
    return str(error.value)


def images(count: int) -> list[Any]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (192, 640, 3), np.uint8) for _ in range(count)]


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_cuda_runs_every_subgraph_in_float32_and_health_says_so(
    ort: cuda_standin.Ort, bundle: Path, device: Any
) -> None:
    tracker = PanopticTracker.load(bundle, threads=1, device=device)
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


@pytest.fixture(scope="module")
def custom(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shipped weights with MAPT's own operators."""
    folder = tmp_path_factory.mktemp("custom") / "bundle"
    export_bundle(shipped_weights(), folder, Request(lowering="custom"))
    return read_bundle(folder)


@pytest.fixture(scope="module")
def on_cuda(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same for CUDA."""
    folder = tmp_path_factory.mktemp("on_cuda") / "bundle"
    export_bundle(shipped_weights(), folder, Request(lowering="custom", device="cuda"))
    return read_bundle(folder)


@needs_library
def test_graphs_for_cuda_rank_channels_as_cudas_resize_has_them(
    custom: Bundle, on_cuda: Bundle
) -> None:
    axes = {}
    for bundle in (custom, on_cuda):
        (node,) = (
            n for n in onnx.load(bundle.graphs["semantic"]).graph.node if n.op_type == "ArgMax"
        )
        axes[bundle.folder] = next(a.i for a in node.attribute if a.name == "axis")
    assert list(axes.values()) == [3, 1] and on_cuda.operators == custom.operators
    given = inputs_of(custom)["semantic"]
    one, other = (OrtBackend(b, 1, "cpu").run("semantic", given) for b in (custom, on_cuda))
    assert all(np.array_equal(one[n], other[n]) for n in one)


@needs_library
def test_custom_bundles_need_operators_for_cuda(
    ort: cuda_standin.Ort,
    custom: Bundle,
    on_cuda: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(providers, "operator_providers", lambda _: (CPU,))
    text = refusal(custom, "cuda")
    assert "_ort_ops" in text and "without CUDA kernels" in text
    assert "--ops standard or gridsample" in text and "device 'cpu'" in text
    assert (
        set(OrtBackend(custom, 1).providers.values()) == {CPU}
        and "without CUDA kernels" in caplog.messages[0]
    )
    monkeypatch.setattr(providers, "operator_providers", lambda _: (CPU, CUDA))
    assert set(OrtBackend(on_cuda, 1).providers.values()) == {CUDA}
    assert (
        "semantic.onnx: is made for a CPU; export with --ops custom --device cuda, or"
        in refusal(custom, "cuda")
    )
    assert (
        set(OrtBackend(custom, 1).providers.values()) == {CPU}
        and "made for a CPU" in caplog.messages[1]
    )


@needs_library
def test_a_library_of_before_the_providers_is_to_be_built_again(
    custom: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Old:
        def mapt_operator_version(self) -> int:
            return 1

    (tmp_path / "_ort_ops.so").touch()
    monkeypatch.setattr(operators_module, "FOLDER", tmp_path)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Old())
    assert "does not load" in refusal(custom, "cpu")


def test_a_device_that_is_none_and_tensorrt_on_a_cpu_are_refused(checked: Bundle) -> None:
    for device in ("gpu", ""):
        with pytest.raises(
            InputError, match=f"^device '{device}' is unknown; choose one of auto, cpu, cuda"
        ):
            PanopticTracker.load(checked.folder, device=device)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="backend 'tensorrt': runs on a GPU, not on device 'cpu'"):
        choice.open_backend(checked, "tensorrt", Options(1, "cpu"))


def test_the_command_takes_the_device(
    mapt: Run, bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    ran = mapt("track", pictures, "--model", bundle, "--out", tmp_path / "out", "--device", "cuda")
    assert (
        ran.code == 2 and ran.err.startswith("mapt: device 'cuda': ") and ran.err.count("\n") == 1
    )
    ran = mapt("track", pictures, "--model", shipped_weights(), "--out", tmp_path / "out", "--tf32")
    assert ran.code == 2 and "--tf32: is for bundles" in ran.err
    for device, words in (("gpu", "choose one of cpu, cuda"), ("cuda", "is for --ops custom")):
        ran = mapt("export", shipped_weights(), "--out", tmp_path / "b", "--device", device)
        assert ran.code == 2 and words in ran.err and not (tmp_path / "b").exists()


def test_tracks_json_says_what_ran(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    tracker = PanopticTracker.load(bundle, threads=1, device="cpu")
    (source,) = open_sources(pictures, 10.0)
    track_source(tracker, source, tmp_path / "out", ("json",))
    content = json.loads((tmp_path / "out" / source.name / "tracks.json").read_text())
    assert content["providers"] == {s.name: CPU for s in SUBGRAPHS}


def test_a_golden_picture_that_differs_names_what_ran_it(
    ort: cuda_standin.Ort, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error for a golden picture that differs names the provider.

    TF32 differs by 7e-3 on the shipped network. float32 may not differ so much, and TF32 may if it
    was asked for.
    """
    run = OrtBackend.run

    def rounded(self: OrtBackend, subgraph: str, inputs: Any) -> Tensors:
        out = run(self, subgraph, inputs)
        return {k: v * np.float32(1.007) if k == "propagated" else v for k, v in out.items()}

    monkeypatch.setattr(OrtBackend, "run", rounded)
    with pytest.raises(
        InputError,
        match=f"motion.propagated differs by .* more than 0.002, run by {CUDA}; .* 'cpu'",
    ):
        PanopticTracker.load(bundle, threads=1, device="cuda")
    PanopticTracker.load(bundle, threads=1, device="cuda", tf32=True)
    with pytest.raises(InputError, match=f"run by {CPU}"):
        PanopticTracker.load(bundle, threads=1, device="cpu", tf32=True)


def test_a_golden_picture_that_does_not_run_is_one_line(
    ort: cuda_standin.Ort, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: OrtBackend, subgraph: str, inputs: Any) -> Tensors:
        raise RuntimeError(cuda_standin.ILLEGAL)

    monkeypatch.setattr(OrtBackend, "run", broken)
    with pytest.raises(
        InputError, match=rf"backbone fails, run by {CUDA} \(CUDA failure 700: an illegal .* encoun"
    ):
        PanopticTracker.load(bundle, threads=1)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of frames."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, image in enumerate(images(2)):
        cv2.imwrite(str(folder / f"{number:06d}.png"), image)
    return folder


def inputs_of(bundle: Bundle) -> dict[str, Tensors]:
    """Something for every subgraph."""
    random = np.random.default_rng(0)
    given: dict[str, Tensors] = {}
    for spec in SUBGRAPHS:
        given[spec.name] = {
            t.name: (
                (
                    random.random(t.resolve(bundle.info.sizes)) * (255 if t.dtype == "uint8" else 1)
                ).astype(t.dtype)
            )
            for t in spec.inputs
        }
    return given


def test_bound_buffers_give_the_same_bits_in_every_subgraph(checked: Bundle) -> None:
    plain = OrtBackend(checked, 1, "cpu")
    bound = OrtBackend(checked, 1, "cpu", bound=True)
    for name, given in inputs_of(checked).items():
        want = plain.run(name, given)
        got = bound.run(name, given)
        kept = {k: v.copy() for k, v in got.items()}
        assert [t.name for t in BY_NAME[name].outputs] == list(got)
        assert all(
            np.array_equal(want[k], got[k]) and want[k].dtype == got[k].dtype for k in want
        ), name
        bound.run(name, {k: np.zeros_like(v) for k, v in given.items()})
        assert all(np.array_equal(got[k], kept[k]) for k in got), (
            "what was handed out is the caller's"
        )
        with pytest.raises(ValueError, match="read-only"):
            next(iter(got.values()))[...] = 0


def test_bound_buffers_take_what_lies_on_the_device_from_there(
    checked: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    sent: list[int] = []
    update = onnxruntime.OrtValue.update_inplace

    def counted(self: Any, array: Any) -> None:
        sent.append(array.size)
        update(self, array)

    monkeypatch.setattr(onnxruntime.OrtValue, "update_inplace", counted)
    bound = OrtBackend(checked, 1, "cpu", bound=True)
    plain = OrtBackend(checked, 1, "cpu")
    image = inputs_of(checked)["backbone"]
    trunk = bound.run("backbone", image)
    assert len(sent) == 1
    pyramid = {n: trunk[n] for n in ("p4", "p8", "p16", "p32")}
    first = bound.run("instance", pyramid)
    assert len(sent) == 1, "the pyramid is there"
    other = {n: v * np.float32(0.5) for n, v in pyramid.items()}
    want = plain.run("instance", other)
    got = bound.run("instance", other)
    assert len(sent) == 5 and all(np.array_equal(want[n], got[n]) for n in want)
    again = bound.run("instance", pyramid)
    assert len(sent) == 9 and all(np.array_equal(first[n], again[n]) for n in first)


def test_bound_buffers_refuse_what_is_not_the_contracts(checked: Bundle) -> None:
    bound = OrtBackend(checked, 1, "cpu", bound=True)
    given = inputs_of(checked)["backbone"]
    with pytest.raises(ValueError, match=r"^image is float32 \(1, \d+, \d+, 3\), not uint8"):
        bound.run("backbone", {"image": given["image"].astype(np.float32)})
    with pytest.raises(ValueError, match=r"image is uint8 .*, not uint8"):
        bound.run("backbone", {"image": given["image"][:, 1:]})


def test_the_smallest_graph_is_what_it_says() -> None:
    model = onnx.load_from_string(RELU)
    onnx.checker.check_model(model)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    assert model == helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )


def test_wrappers_say_what_runs_inside(checked: Bundle) -> None:
    backend = OrtBackend(checked, 1, "cpu")
    assert PanopticTracker(Counted(backend)).health().providers == backend.providers

    class Older:
        """A host's own backend, from before there was such a field."""

        name = "own"
        info = checked.info

        def run(self, subgraph: str, inputs: Any) -> Tensors:
            raise NotImplementedError

    assert PanopticTracker(Older()).health().providers == {}  # type: ignore[arg-type]
