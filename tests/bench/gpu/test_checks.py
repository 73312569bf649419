"""The checks of `python -m mapt.bench.gpu`, rehearsed on the CPU.

Each check must run, and each must find what is wrong.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import torch

from mapt import ops
from mapt.bench.gpu import adapter, device, needs, prepare
from mapt.bench.gpu.cases import Call, calls
from mapt.bench.gpu.checks import (
    build,
    bundles,
    machine,
    operators,
    ort,
    pytorch,
    speed,
    suite,
    training,
)
from mapt.bench.gpu.context import Context, Device, Result, Skip
from mapt.bench.gpu.frames import cameras
from mapt.bench.kernels import resources
from mapt.errors import InputError
from mapt.export.bundle.writer import Request
from mapt.io.pretrained import shipped_weights
from mapt.ops import compiled
from mapt.runtime.backends.operators import find_library
from mapt.runtime.bundle.manifest import Bundle, read_bundle
from tests.bench.gpu.rehearsal import AtItsSize

needs_compiled = pytest.mark.skipif(
    bool(compiled.MISSING), reason=f"no compiled operators: {compiled.MISSING}"
)


KIND = bundles.Kind("nano", "standard")
GENUINE = subprocess.Popen


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context("cpu", True, tmp_path)


@needs_compiled
def test_operators_equal_themselves(context: Context) -> None:
    found = operators.equal(context)
    assert not found.faults and found.values["compared"] == 4 * (sum(operators_results()))
    assert not operators.same_bits(context).faults


def operators_results() -> list[int]:
    return [len(work("cpu")) for _, _, work in operators.works((torch.float32,))]


@needs_compiled
def test_operators_that_differ_are_found(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = ops.deform_conv2d
    calls = []

    def wrong(*arguments: torch.Tensor, **more: int) -> torch.Tensor:
        calls.append(0)
        out: torch.Tensor = genuine(*arguments, **more)  # type: ignore[arg-type]
        return out * (1 + 1e-3 * len(calls))

    monkeypatch.setattr(ops, "deform_conv2d", wrong)
    assert any("deform_conv2d 0 float32, result 0" in f for f in operators.equal(context).faults)
    assert any("other bits" in fault for fault in operators.same_bits(context).faults)


@needs_compiled
def test_operators_pass_pytorchs_checks_and_are_captured(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = operators.graphs(context)
    assert not found.faults and found.line.startswith("13 of 13")
    # All of them are checked in tests/ops/test_compiled.py.
    some = [call for call in calls("cpu") if call.name in ("propagate_masks", "deform_conv2d_out")]
    some.append(Call("wrong", torch.ops.mapt.propagated_features.default, (torch.ones(1),)))
    monkeypatch.setattr(operators, "calls", lambda _: some)
    told = operators.opcheck(context)
    assert told.line == "3 of 4 calls pass" and told.faults[0].startswith("wrong: ")


@needs_compiled
def test_operators_that_cannot_be_captured_are_found(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(operators, "capture", refuse)
    monkeypatch.setattr(speed, "capture", refuse)
    monkeypatch.setattr(device, "capture", refuse)
    want = "cannot be captured, RuntimeError: operation not permitted when stream is capturing"
    assert operators.graphs(context).faults[0] == f"deform_conv2d: {want}"
    assert speed.backward(context).faults[0].endswith("ours cannot be captured")
    faults = pytorch.capture(context).faults
    assert len(faults) == 5 and faults[-1] == f"nano instance: {want}"


def test_operators_that_are_not_built_are_a_failure(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "MISSING", "no reason")
    with pytest.raises(RuntimeError, match="the operators for cpu are not there: no reason"):
        operators.equal(context)


@needs_compiled
@pytest.mark.parametrize(
    ("said", "faults"), [("ERROR SUMMARY: 0 errors", 0), ("ERROR SUMMARY: 2 errors", 1)]
)
def test_memcheck_reads_the_summary(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, faults: int
) -> None:
    tool = tmp_path / "compute-sanitizer"
    work = ":" if faults else '"$@" || exit 9'
    tool.write_text(f'#!/bin/sh\nshift 2\n{work}\necho "========= {said}"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = operators.memcheck(context)
    assert len(found.faults) >= faults and bool(found.faults) == bool(faults) and found.line == said


@needs_compiled
def test_speeds_are_a_table(context: Context) -> None:
    for found, count in ((speed.forward(context), 9), (speed.backward(context), 1)):
        assert not found.faults and len(found.rows) == 1 + count
        for case in found.values["cases"]:  # type: ignore[attr-defined]
            assert (
                case["us"]["ours"] > 0 and case["graphed_us"]["ours"] > 0 and case["floor_us"] > 0
            )


@needs_compiled
def test_suppression_is_timed_beside_torchvisions_on_the_same_boxes(context: Context) -> None:
    torch.manual_seed(0)
    whole, alone = speed.suppression_cases(400)
    kept = whole.ours()
    assert isinstance(kept, torch.Tensor) and 40 < int(kept.sum()) < 360  # of some, not of all
    theirs = whole.others["torchvision"]()
    assert kept.nonzero()[:, 0].tolist() == theirs.tolist()  # type: ignore[attr-defined]
    assert torch.equal(kept, alone.ours())  # type: ignore[arg-type]
    cases = speed.forward(context).values["cases"]
    (timed,) = (c for c in cases if c["name"].startswith("greedy_nms"))  # type: ignore[attr-defined]
    assert timed["us"].keys() == {"ours", "torchvision"} and timed["us"]["torchvision"] > 0


@pytest.fixture(scope="module")
def prepared(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A rehearsal whose bundle has been exported."""
    context = AtItsSize("cpu", True, tmp_path_factory.mktemp("gpu"))
    shutil.copytree(bundle, bundles.folder(context, KIND))
    prepare.write_lower(read_bundle(bundles.folder(context, KIND)), ("fp16",))
    return context


@pytest.fixture(autouse=True)
def one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "KINDS", (KIND,))
    monkeypatch.setattr(bundles, "BATCHED", ())  # test_groups.py has them


def test_bundles_are_exported_once(prepared: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)  # nothing is exported again
    monkeypatch.setattr(bundles, "KINDS", (KIND, bundles.Kind("nano", "standard", "fp16")))
    found = bundles.export(prepared)
    assert not found.faults
    assert found.values["nano-standard-fp16"]["precision"] == "fp16"  # type: ignore[index]
    assert not ort.tensors(prepared).faults


def test_one_bundle_is_prepared(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def export(weights: Path, out: Path, request: Request) -> None:
        asked.append((weights, request.size, request.lowering))
        shutil.copytree(bundle, out)

    monkeypatch.setattr(prepare, "export_bundle", export)
    prepare.main(["nano", "gridsample", "192", "640", "1", str(tmp_path / "nano-gridsample")])
    assert asked == [(shipped_weights(), (192, 640), "gridsample")]
    assert {p.name for p in tmp_path.iterdir()} >= {"nano-gridsample-fp16", "nano-gridsample-int8"}
    assert len(list((tmp_path / "nano-gridsample-int8").iterdir())) == 5
    monkeypatch.setattr(prepare, "trained", lambda: False)
    assert prepare.weights("nano", tmp_path / "random").stat().st_size > 1e6


def test_what_cannot_be_exported_is_told_of(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "KINDS", (bundles.Kind("nano", "standard"),))
    started = []

    def start(command: list[str], stdout: IO[bytes], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        started.append(command)
        script = "import sys; sys.exit('ValueError: no reason')"
        return GENUINE([sys.executable, "-c", script], stdout=stdout, stderr=stderr)

    monkeypatch.setattr(subprocess, "Popen", start)
    found = bundles.export(context)
    assert found.faults == ("nano-standard: ValueError: no reason",)
    assert started[0][2:5] == ["mapt.bench.gpu.prepare", "nano", "standard"]


@pytest.mark.parametrize(
    "check",
    [
        ort.host_binding,
        ort.providers,
        ort.tensors,
        ort.frames,
        ort.speed,
        cameras.one,
        cameras.eight,
    ],
)
def test_bundles_on_the_cpu_give_what_the_cpu_gives(
    prepared: Context, check: Callable[[Context], Result]
) -> None:
    found = check(prepared)
    faults = [f for f in found.faults if "PyTorch was imported" not in f]  # as it is in a test
    assert not faults and json.loads(json.dumps(dict(found.values)))


def test_tensors_and_frames_that_differ_are_found(
    prepared: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = adapter.open_backend
    opened = []

    def noisy(bundle: Bundle, device: Device, tf32: bool = False, **options: bool) -> Any:
        backend = genuine(bundle, device, tf32, **options)
        opened.append(backend)
        if len(opened) % 3 == 1:  # the first of three is the CPU's
            return backend
        run = backend.run

        def wrong(subgraph: str, inputs: Any) -> Any:
            out = run(subgraph, inputs)
            if subgraph == "semantic":
                out["s"] = out["s"] * np.float32(1.01)
                out["labels"] = (out["labels"] == 0).astype(np.uint8)
            return out

        monkeypatch.setattr(backend, "run", wrong)
        return backend

    monkeypatch.setattr(ort, "open_backend", noisy)
    assert any("nano-standard: semantic." in fault for fault in ort.tensors(prepared).faults)
    assert any("of the labels" in fault for fault in ort.frames(prepared).faults)


def test_a_provider_that_did_not_come_up_is_found(prepared: Context) -> None:
    bundle = bundles.ready(prepared)[0]["nano-standard"]
    backend = adapter.open_backend(bundle, "cpu")
    assert adapter.misplaced(backend, "cpu") == []
    assert sorted(adapter.misplaced(backend, "cuda"))[1] == "backbone runs on CPUExecutionProvider"


def test_the_operator_librarys_providers(context: Context) -> None:
    try:
        find_library()
    except InputError:
        pytest.skip("no operators for ONNX Runtime")
    assert "CPUExecutionProvider" in ort.operator_library(context).line
    assert not ort.operator_library(context).faults


def test_pytorch_beside_itself(context: Context) -> None:
    for check in (pytorch.frames, pytorch.capture, pytorch.launches):
        found = check(context)
        assert not found.faults and json.loads(json.dumps(dict(found.values)))
    assert all(v["operations"] > 10 for v in found.values.values())  # type: ignore[index]


def test_other_tracks_are_found(context: Context) -> None:
    same = {"frames": 10, "same_tracks": 10, "labels_differ": 1e-5, "ids_differ": 0.0, "tracks": 4}
    assert ort.judged("nano", same, context) == []
    assert ort.judged("nano", {**same, "same_tracks": 9}, context) == [
        "nano: 9 of 10 frames have the CPU's tracks"
    ]
    assert len(ort.judged("nano", {**same, "ids_differ": 0.01}, context)) == 1
    large = replace(context, small=False)
    assert ort.judged("nano", same, large) == []
    assert "nothing was tracked" in ort.judged("nano", {**same, "tracks": 0}, large)[0]


def test_training_is_resumed(context: Context) -> None:
    found = training.nano_float32(context)
    assert not found.faults and len(found.values["losses"]) == 2  # type: ignore[arg-type]
    assert found.values["resumed_first"] == 0 and found.values["resumed_largest"] == 0
    with pytest.raises(Skip):
        training.nano_fp16(context)


def test_training_that_goes_wrong_is_found() -> None:
    row = {"total": 1.0, "seconds": 1.0, "waited": 0.5, "gradient_norm": 1.0}
    whole = [row, row, {**row, "total": 2.0}, row]
    values = training.summary(whole, [row, row, {**row, "total": 2.1}, row], 2)
    assert values["waiting"] == 0.5 and values["resumed_first"] == pytest.approx(0.05)
    assert training.judged(values, "float32", True) == [
        "the first loss after the resume differs by 5.0e-02"
    ]
    assert len(training.judged({**values, "losses": [float("nan")]}, "float32", False)) == 3
    assert training.judged(training.summary(whole, whole[:2], 2), "bf16", True)


@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
@pytest.mark.parametrize("preset", ["nano", "base"])
def test_every_training_configuration_is_valid(
    tmp_path: Path, preset: str, precision: training.Precision
) -> None:
    config = training.configuration(Context("cuda", False, tmp_path), preset, precision, 40)
    assert (
        config.device == "cuda" and config.checkpoint_every == 20 and config.model.preset == preset
    )
    assert (config.bf16, config.fp16) == (precision == "bf16", precision == "fp16")


def test_pytests_summary_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: Context
) -> None:
    monkeypatch.setattr(suite, "ROOT", tmp_path)
    folder = tmp_path / "tests/ops"
    folder.mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n slow: x\n device: y\n")
    (folder / "test_propagate.py").write_text(
        "import pytest\n@pytest.mark.device\n@pytest.mark.parametrize('device', ['cpu', 'cuda'])\n"
        "def test_one(device): assert device == 'cpu'\ndef test_other(): pass\n"
    )
    good = suite.device_tests(context)
    bad = suite.device_tests(Context("cuda", False, tmp_path))
    assert not good.faults and good.values["counts"]["passed"] == 1  # type: ignore[index]
    assert bad.faults[0].startswith("FAILED tests/ops/test_propagate.py::test_one[cuda]")
    with pytest.raises(Skip, match="no tests/training"):
        suite.fake_cuda(context)
    (folder / "test_propagate.py").write_text("def test_other(): pass")
    with pytest.raises(Skip, match="no test was selected"):
        suite.device_tests(context)


SAID = """
ptxas info    : Compiling entry function '_Z1a' for 'sm_90'
ptxas info    : Function properties for _Z1a
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 16 bytes cumulative stack size, 4096 bytes smem
ptxas info    : Compiling entry function '_Z1b' for 'sm_90'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, 400 bytes cmem[0]
"""


def test_what_ptxas_says_is_read() -> None:
    assert list(resources.read(SAID)) == [
        resources.KernelResources("_Z1a", "90", 255, 16, 20, 4096),
        resources.KernelResources("_Z1b", "90", 32, 0, 0, 0),
    ]


@pytest.mark.skipif(bool(needs.missing().get("nvcc")), reason="no nvcc")
def test_kernels_are_compiled_for_an_architecture_that_is_not_here(context: Context) -> None:
    found = build.resources(context)
    assert not found.faults and found.values["kernels"]


def test_a_kernel_that_does_not_compile_is_told_of(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin/nvcc"
    tool.write_text("#!/bin/sh\necho 'any.cu(3): error: no reason' >&2\nexit 2\n")
    tool.chmod(0o755)
    monkeypatch.setattr(resources.toolkit(), "find_toolkit", lambda: tmp_path)
    assert build.resources(context).faults[0].endswith(".cu: any.cu(3): error: no reason")


def test_the_machine_is_described(context: Context) -> None:
    found = machine.versions(context)
    assert not found.faults and found.values["operators"]
    assert found.values["onnxruntime"]["version"]  # type: ignore[index]
