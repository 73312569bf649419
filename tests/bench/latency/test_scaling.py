"""`mapt bench --suite scale`: every sweep is measured and has its law."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mapt.bench.latency import scaling as scale


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeps with few points."""
    monkeypatch.setattr(scale, "OBJECTS", (1, 20))
    monkeypatch.setattr(scale, "SIZES", (0.5, 1.0))
    monkeypatch.setattr(scale, "WINDOWS", (5, 8))
    monkeypatch.setattr(scale, "CAMERAS", ((96, 320), (384, 1280)))
    monkeypatch.setattr(scale, "REPEATS", 2)
    monkeypatch.setattr(scale, "FRAMES", 5)


@pytest.mark.usefixtures("small")
def test_every_sweep_is_measured_and_fitted(
    mapt: Callable[..., Any],
    bundle: Path,
    street: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measure = scale._ms
    calls = list[int]()

    def counted(call: Callable[[], object], times: int) -> float:
        calls.append(times)
        return measure(call, times)

    monkeypatch.setattr(scale, "_ms", counted)
    path = tmp_path / "scale.json"
    page = tmp_path / "scale.html"
    ran = mapt(
        "bench", bundle, "--suite", "scale", "--data", street, "--json", path, "--html", page
    )
    assert ran.code == 0, ran.err
    report = json.loads(path.read_text())
    sweeps = report["scale"]
    assert tuple(sweeps) == scale.SWEEPS == ("objects", "threads", "sequence", "input", "image")
    assert all(
        p["ms"] > 0 for sweep in sweeps.values() for line in sweep["series"].values() for p in line
    )
    objects = sweeps["objects"]["series"]
    assert set(objects) == {"motion", "appearance", "association", "fusion and association"}
    assert (
        calls == [1] * 4 + [2] * 4
    )  # 20 objects take two calls of 16, 1 takes one: two heads, each measured twice
    assert [p["x"] for p in sweeps["input"]["series"]["frame"]] == [0.031, 0.123]
    assert sweeps["input"]["fits"]["frame"]["law"] in ("linear", "power")
    image = sweeps["image"]
    assert (
        set(image["series"])
        == set(image["fits"])
        == {"preprocess", "fusion", "output", "networks", "frame"}
    )
    assert [p["x"] for p in image["series"]["output"]] == [
        0.031,
        0.492,
    ] and "96x320, 384x1280" in image["title"]
    assert "ms by image" in ran.out
    assert "ms by objects" in ran.out and "x: megapixels" in ran.out
    assert page.read_text().count("<svg") == 5


@pytest.mark.parametrize(("precision", "exported"), [("fp32", 1), ("int8", 2)])
def test_sizes_are_compared_in_float32_alone(
    monkeypatch: pytest.MonkeyPatch, precision: str, exported: int
) -> None:
    made: list[Path] = []
    monkeypatch.setattr(scale, "SIZES", (0.5, 1.0))
    monkeypatch.setattr(scale, "export_bundle", lambda weights, out, request: made.append(out))
    monkeypatch.setattr(scale, "read_bundle", lambda out: out)
    monkeypatch.setattr(scale, "reference_weights", lambda bundle: bundle.folder)
    monkeypatch.setattr(scale, "OrtBackend", lambda bundle, threads: bundle)
    monkeypatch.setattr(scale, "_median_frame", lambda backend, images: 1.0)
    info = SimpleNamespace(height=192, width=640)
    bundle: Any = SimpleNamespace(
        info=info, precision=precision, lowering="standard", folder=Path("bundle")
    )
    series = scale._input(bundle, (), 1)[2]
    assert len(series["frame"]) == 2 and len(made) == exported


def test_too_few_frames_to_time_are_refused_at_once(
    mapt: Callable[..., Any], bundle: Path, street: Path, tmp_path: Path
) -> None:
    short = shutil.copytree(street, tmp_path / "short")
    for label in sorted((short / "panoptic_maps" / "val" / "0000").iterdir())[3:]:
        label.unlink()
    for suite in ("scale", "run"):
        ran = mapt("bench", bundle, "--suite", suite, "--data", short)
        assert ran.code == 2 and "sequence 0000 has 3 frames" in ran.err and "at least 4" in ran.err
