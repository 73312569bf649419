"""The lowest ONNX Runtime that a bundle runs on.

It is stated, checked before a graph is opened, and true.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from mapt.errors import InputError
from mapt.io.pretrained import shipped_weights
from mapt.runtime.bundle import requirements
from mapt.runtime.bundle.manifest import MANIFEST, read_bundle, seal
from mapt.runtime.bundle.requirements import (
    check_requirements,
    read_requirements,
    required,
    runnable,
    version,
)

Run = Callable[..., Any]


def test_the_manifest_states_what_its_lowering_needs(bundle: Path) -> None:
    read = read_bundle(bundle)
    assert read.requires == required(read.lowering)
    assert version(read.requires["onnxruntime"]) <= version(onnxruntime.__version__)


def test_standard_operators_need_the_kernel_of_deform_conv() -> None:
    assert required("standard") == {"onnxruntime": "1.25"}
    assert version(required("gridsample")["onnxruntime"]) <= (1, 20)


def test_an_older_library_is_refused_in_one_line(
    mapt: Run, bundle: Path, street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older library is refused in one line, before any graph is opened.

    The test changes the statement in the manifest, not the version of the library.
    """
    copy = tmp_path / "bundle"
    copy.mkdir()
    for file in bundle.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["requires"] = {"onnxruntime": "99.1"}
    (copy / MANIFEST).write_text(seal(manifest))

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a graph was opened")

    monkeypatch.setattr(onnxruntime, "InferenceSession", opened)
    ran = mapt("track", street, "--model", copy, "--out", tmp_path / "out")
    here = onnxruntime.__version__
    assert ran.code == 2 and ran.err.count("\n") == 1, ran.err
    assert f"{copy}: needs ONNX Runtime 99.1 or newer, {here} is installed; update it" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("here", ["1.20.0", "1.23.2", "1.24.4", "1.25.0.dev10"])
def test_the_line_names_the_lowering_that_runs(here: str) -> None:
    check_requirements(required("gridsample"), {"onnxruntime": here}, "b")
    if version(here) >= (1, 25):
        check_requirements(required("standard"), {"onnxruntime": here}, "b")
        return
    with pytest.raises(InputError) as error:
        check_requirements(required("standard"), {"onnxruntime": here}, "b")
    assert (
        str(error.value)
        == f"b: needs ONNX Runtime 1.25 or newer, {here} is installed; update it, or export with"
        f" --ops gridsample, which runs on {here}"
    )


def test_one_that_runs_nothing_is_updated() -> None:
    with pytest.raises(InputError, match=r"1\.19\.2 is installed; update it$"):
        check_requirements(required("gridsample"), {"onnxruntime": "1.19.2"}, "b")


def test_export_says_it_before_any_work(
    mapt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    ran = mapt("export", shipped_weights(), "--out", tmp_path / "b")
    assert ran.code == 2 and ran.err.startswith("mapt: --ops standard: needs ONNX Runtime 1.25"), (
        ran.err
    )
    assert "--ops gridsample" in ran.err and not (tmp_path / "b").exists()
    assert requirements.runnable_here() == "gridsample"


def test_versions_are_compared_as_numbers() -> None:
    assert version("1.9") < version("1.20.1") < version("1.25.0.dev20260301") <= version("1.25.0")
    assert (runnable("1.19.2"), runnable("1.24.9"), runnable("1.25")) == (
        None,
        "gridsample",
        "standard",
    )


@pytest.mark.parametrize(
    "stated", [{"numpy": "2.0"}, {"onnxruntime": "new"}, {"onnxruntime": 1.25}]
)
def test_what_is_no_requirement_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"numpy|new|1\.25"):
        read_requirements(stated)
