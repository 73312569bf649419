import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapt import doctor
from mapt.doctor import _processor, extra_of, packages, verdict
from mapt.doctor import operators as operator_checks
from mapt.doctor.finding import Finding
from mapt.doctor.gpu import check_cuda_provider, check_gpu, check_tensorrt
from mapt.doctor.operators import check_ort_operators
from mapt.doctor.packages import _lowerings, check_onnxruntime, check_package
from mapt.errors import InputError
from mapt.probes import PACKAGES, Package, ask
from mapt.runtime.backends import operators

Run = Callable[..., Any]


def test_it_lists_what_is_here(mapt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", PACKAGES[:1])
    ran = mapt("doctor", "--json", tmp_path / "doctor.json")
    assert ran.code == 0, ran.out
    findings = {f["what"]: f for f in json.loads((tmp_path / "doctor.json").read_text())}
    assert findings["Python"]["detail"] == ".".join(map(str, sys.version_info[:3]))
    assert (
        findings["numpy"]["state"]
        == findings["ONNX Runtime"]["state"]
        == findings["video"]["state"]
        == "ok"
    )
    assert all(f["advice"] for f in findings.values() if f["state"] != "ok")
    assert "Tracking a video works here." in ran.out


def test_the_verdict_is_about_tracking_alone() -> None:
    found = [Finding("numpy", "ok", "2", needed=True), Finding("torch", "missing", "")]
    assert verdict(found).startswith("Tracking a video works here.")
    broken = verdict([*found, Finding("video", "broken", "no codec")])
    assert broken == "Tracking a video does not work here yet: see video above."


def test_operators_that_are_not_built_are_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "FOLDER", tmp_path)
    monkeypatch.setattr(operator_checks, "_left_out", lambda part: f"no compiler for {part}")
    found = check_ort_operators()
    assert (found.state, found.detail) == ("missing", "no compiler for onnxruntime")
    assert "--ops custom" in found.advice and "make kernels" in found.advice and not found.needed


def test_it_says_which_bundles_an_older_onnx_runtime_runs() -> None:
    assert _lowerings("1.23.2") == "runs custom and gridsample bundles, standard ones need 1.25"
    assert _lowerings("1.32.0") == "runs custom and standard and gridsample bundles"


def test_a_missing_package_names_its_extra() -> None:
    found = check_package(Package("no-such-thing", "no_such_thing", "train", "training"))
    assert (found.state, found.advice) == (
        "missing",
        "training needs it: pip install 'mapt[train]'",
    )


def test_a_package_that_does_not_import_is_broken() -> None:
    found = check_package(Package("numpy", "numpy_but_misspelt", "", "runtime"))
    assert found.state == "broken" and "numpy_but_misspelt" in found.detail and found.needed


def test_two_runtimes_in_one_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        packages, "installed", lambda _: {"onnxruntime": "1.0", "onnxruntime-gpu": "1.0"}
    )
    assert check_onnxruntime().state == "broken"


def test_no_runtime_fails(mapt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ())
    monkeypatch.setattr(packages, "installed", lambda _: {})
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    ran = mapt("doctor", "--json", tmp_path / "doctor.json")
    assert ran.code == 1 and "does not work here yet: see ONNX Runtime" in ran.out
    findings = {f["what"]: f for f in json.loads((tmp_path / "doctor.json").read_text())}
    assert (
        findings["ONNX Runtime"]["state"] == "missing"
        and "mapt[cpu]" in findings["ONNX Runtime"]["advice"]
    )


def test_what_the_runtime_needs_and_does_not_import_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mapt.runtime.backends.operators", None)
    found = check_ort_operators()
    assert (
        found.state == "broken"
        and "mapt.runtime.backends.operators" in found.detail
        and found.advice
    )


def test_a_driver_that_does_not_answer_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 30)

    monkeypatch.setattr("shutil.which", lambda _: "nvidia-smi")
    monkeypatch.setattr(subprocess, "run", hang)
    found = check_gpu()
    assert (found.state, found.detail) == ("broken", "no answer in 30 s") and not found.needed


def answered(monkeypatch: pytest.MonkeyPatch, out: str, err: str = "") -> Finding:
    """What the doctor makes of the probe's answer."""
    said = subprocess.CompletedProcess([], 0, out, err)
    monkeypatch.setattr("mapt.probes.subprocess.run", lambda *_, **__: said)
    return check_cuda_provider()


def test_a_cuda_provider_that_does_not_come_up_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime lists it all the same."""
    found = answered(
        monkeypatch, "missing: CUDA's provider does not load (libcublas.so.13: no such file)\n"
    )
    assert (found.state, found.detail[:30]) == (
        "missing",
        "CUDA's provider does not load ",
    ) and not found.needed
    assert found.advice
    found = answered(monkeypatch, "broken: CUDA failure 700\n")
    assert (found.state, found.detail) == (
        "broken",
        "CUDA failure 700",
    ) and "device 'cpu'" in found.advice
    found = answered(monkeypatch, "", "Segmentation fault\n")
    assert (found.state, found.detail) == ("broken", "Segmentation fault")
    found = answered(monkeypatch, "Failed to load libcufft.so\nok: comes up and runs\n")
    assert found.state == "ok" and "TF32" in found.detail


def test_a_cpu_build_has_no_cuda_provider() -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    found = check_cuda_provider()
    assert found.state == "missing" and "has no CUDA provider; install mapt[gpu]" in found.detail


def test_what_cannot_be_written_is_said_before_the_checks(mapt: Run, tmp_path: Path) -> None:
    ran = mapt("doctor", "--json", tmp_path)
    assert ran.code == 2 and "is a folder" in ran.err and not ran.out


@pytest.mark.parametrize(
    ("module", "extra"), [("jinja2", "cpu"), ("rerun.blueprint", "rerun"), ("numpy", None)]
)
def test_modules_name_their_extra(module: str, extra: str | None) -> None:
    assert extra_of(module) == extra


def test_the_processors_features_of_aarch64_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = "Features\t: fp asimd fphp asimdhp cpuid asimddp sve i8mm bf16\n"
    monkeypatch.setattr(Path, "is_file", lambda self: True)
    monkeypatch.setattr(Path, "read_text", lambda self: known)
    assert _processor().detail.endswith("; asimd, asimdhp, asimddp, i8mm, bf16, sve")


@pytest.mark.parametrize(("machine", "advised"), [("x86_64", True), ("aarch64", False)])
def test_an_extra_that_is_empty_on_this_machine_is_not_advised(
    monkeypatch: pytest.MonkeyPatch, machine: str, advised: bool
) -> None:
    def none() -> None:
        raise InputError("no TensorRT here")

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("mapt.export.tensorrt.engines.find_targets", none)
    advice = check_tensorrt().advice
    assert ("mapt[trt-rtx]" in advice) == advised and "mapt[trt]" in advice


def test_modules_in_the_current_folder_are_not_those_of_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("types", "numpy", "typing", "onnxruntime", "random"):
        (tmp_path / f"{name}.py").write_text("KIND = 1")
    monkeypatch.chdir(tmp_path)
    assert check_package(PACKAGES[0]).state == "ok"
    assert (
        "here"
        in ask("import types; print('here' if hasattr(types, 'FunctionType') else types)").out
    )
    assert check_cuda_provider().state != "broken"


@pytest.mark.parametrize(
    "name", ["opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"]
)
def test_every_distribution_of_opencv_is_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("mapt.probes.version", lambda wanted: "4.13" if wanted == name else None)
    found = check_package(PACKAGES[2])
    assert (found.state, found.detail) == ("ok", f"{name} 4.13")


def test_a_module_that_the_system_brings_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's python3-opencv has no metadata of that name."""
    monkeypatch.setattr("mapt.probes.version", lambda _: None)
    found = check_package(PACKAGES[2])
    assert found.state == "ok" and "cv2" in found.detail
    assert check_onnxruntime().state == "ok"


def test_a_child_that_hangs_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mapt.probes.LIMIT", 0.0)
    found = check_package(PACKAGES[0])
    assert found.state == "broken" and "no answer in 0 s" in found.detail
    assert check_cuda_provider().detail == "no answer in 0 s"


DOCTOR = """
import sys
from mapt import cli, doctor
doctor.PACKAGES = doctor.PACKAGES[:1]
cli.main()
"""


def examined(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", DOCTOR, "doctor", *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, env={**os.environ, **environment}
    )


def test_a_terminal_of_ascii_gets_the_report() -> None:
    ran = examined(
        LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", COLUMNS="60"
    )
    assert ran.returncode == 0 and ran.stderr == b"" and b"numpy" in ran.stdout
    assert ran.stdout.isascii() and b"\\u" not in ran.stdout


def test_no_temporary_folder_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile._get_default_tempdir", none)
    monkeypatch.setattr("tempfile.tempdir", None)
    findings = {f.what: f for f in doctor.examine()}
    folder = findings["temporary folder"]
    video = findings["video"]
    assert (
        folder.state == "missing"
        and "TMPDIR" in folder.advice
        and "temporary folder" in video.detail
    )
    assert video.state == "missing" and "TMPDIR" in video.detail
