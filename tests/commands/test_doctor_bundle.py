"""`mapt doctor BUNDLE`: what of a bundle will run here, and why the rest will not."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapt import doctor
from mapt.contract import SUBGRAPHS
from mapt.doctor import bundle as bundle_checks
from mapt.doctor.bundle import Platform, examine_bundle, find_platform, obstacles
from mapt.errors import InputError
from mapt.io.pretrained import shipped_bundle
from mapt.probes import PACKAGES, Answer
from mapt.runtime.bundle.manifest import EngineFile, read_bundle

Run = Callable[..., Any]
LIBRARY = "tensorrt_rtx 1.7.1.116"
HERE = Platform("sm86", LIBRARY, cuda=13, driver=13)


def engine(layers: dict[str, dict[str, int]] | None = None, library: str = LIBRARY) -> EngineFile:
    return EngineFile(Path("x.engine"), library, "built", layers or {})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"cuda": None}, []),
        ({"driver": 14}, []),
        ({"target": "sm89"}, ["this GPU is sm89"]),
        ({"target": None}, ["no NVIDIA GPU and driver here"]),
        ({"target": None, "driver": None}, ["no NVIDIA GPU and driver here"]),
        ({"library": None}, [f"no TensorRT here, {LIBRARY} built it"]),
        ({"library": "tensorrt 11.4.1"}, [f"{LIBRARY} built it, here is tensorrt 11.4.1"]),
        (
            {"library": "tensorrt_rtx 1.8.0"},
            [f"{LIBRARY} built it, here is tensorrt_rtx 1.8.0"],
        ),
        ({"driver": 12}, ["the driver runs CUDA 12, this TensorRT needs CUDA 13"]),
        ({"bindings": False}, ["CUDA's Python bindings are not installed"]),
        ({"refusal": "TensorRT RTX does not"}, ["TensorRT RTX does not"]),
        ({"target": "sm89", "driver": 12}, ["this GPU is sm89", "the driver runs CUDA 12"]),
    ],
)
def test_every_obstacle_is_named(change: dict[str, Any], told: list[str]) -> None:
    found = obstacles(engine(), "sm86", replace(HERE, **change))
    assert len(found) == len(told) and all(map(str.startswith, found, told))


def test_an_engine_with_plugins_is_said_not_to_load() -> None:
    found = obstacles(engine({"PLUGIN_V3": {"FLOAT": 1}}), "sm86", HERE)
    assert found == ["it has layers of PLUGIN_V3, whose library the tracker does not load"]


@pytest.fixture
def whole() -> dict[str, EngineFile]:
    return {spec.name: engine() for spec in SUBGRAPHS}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What is said of engines, by line; `graphs` runs."""

    def show(engines: dict[str, dict[str, EngineFile]], here: Platform) -> dict[str, Any]:
        real = read_bundle(shipped_bundle() / "192x640")
        fake = replace(real, engines=engines)
        monkeypatch.setattr(bundle_checks, "read_bundle", lambda _: fake)
        monkeypatch.setattr(bundle_checks, "find_platform", lambda: here)
        return {f"{f.what}|{f.state}": f for f in examine_bundle(shipped_bundle() / "192x640")}

    return show


def test_engines_of_a_target_with_one_verdict_have_one_line(
    shown: Callable[..., dict[str, Any]], whole: dict[str, EngineFile]
) -> None:
    found = shown({"sm75": whole, "sm86": whole}, HERE)
    good = found["engines sm86|ok"]
    assert all(spec.name in good.detail for spec in SUBGRAPHS)
    assert f"will load with {LIBRARY} (state of proof: built)" in good.detail
    bad = found["engines sm75|missing"]
    assert "will not load: this GPU is sm86" in bad.detail and "--targets sm86" in bad.advice
    assert "graphs, engines sm86 will run here" in found["bundle|ok"].detail


def test_one_engine_of_another_build_is_told_apart(
    shown: Callable[..., dict[str, Any]], whole: dict[str, EngineFile]
) -> None:
    found = shown({"sm86": {**whole, "motion": engine(library="tensorrt_rtx 1.6.0")}}, HERE)
    assert found["engines sm86|missing"].detail.startswith(
        "motion: will not load: tensorrt_rtx 1.6"
    )
    assert "motion" not in found["engines sm86|ok"].detail


def test_engines_that_are_not_all_there_will_not_load(
    shown: Callable[..., dict[str, Any]], whole: dict[str, EngineFile]
) -> None:
    del whole["semantic"]
    found = shown({"sm86": whole}, HERE)
    assert found["engines sm86|missing"].detail.endswith("will not load: no engine of semantic")


def test_the_platform_is_found_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    here = find_platform()
    assert here.refusal is None and (here.target is None) <= (here.driver is None)
    monkeypatch.setattr(bundle_checks, "ask", lambda _: Answer(-11, "", "segmentation fault"))
    with pytest.raises(InputError, match="segmentation fault"):
        find_platform()


def test_the_command_says_it_on_the_screen_and_in_json(
    mapt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", PACKAGES[:1])
    ran = mapt("doctor", shipped_bundle(), "--json", tmp_path / "doctor.json")
    assert ran.code == 0, ran.err
    findings = {f["what"]: f for f in json.loads((tmp_path / "doctor.json").read_text())}
    assert findings["bundle"]["state"] == "ok" and "Python" in findings
    assert findings["192x640 graphs"]["detail"].startswith("standard, ONNX Runtime ")
    assert ran.out.strip().endswith("will run here")


def test_a_bundle_of_which_nothing_runs_is_exit_code_1(
    mapt: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", PACKAGES[:1])
    monkeypatch.setattr(bundle_checks, "onnxruntime_version", lambda: None)
    ran = mapt("doctor", shipped_bundle() / "192x640")
    assert ran.code == 1 and "nothing will run here" in ran.out


def test_what_is_no_bundle_is_refused(mapt: Run, tmp_path: Path) -> None:
    for wrong in (tmp_path / "nothing", tmp_path):
        ran = mapt("doctor", wrong)
        assert ran.code == 2 and ran.err.count("\n") == 1 and str(wrong) in ran.err
    damaged = tmp_path / "b"
    shutil.copytree(shipped_bundle(), damaged)
    graph = next(damaged.rglob("motion.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    assert mapt("doctor", damaged).code == 2
