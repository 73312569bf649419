import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mapt.bench.latency.deadline import measure
from mapt.runtime.backends.ort import OrtBackend
from mapt.runtime.bundle.manifest import read_bundle


def test_an_impossible_deadline_leaves_out_both_heads_and_an_easy_one_none(
    bundle: Path, street: Path
) -> None:
    backend = OrtBackend(read_bundle(bundle), threads=1)
    free, easy, never = (measure(backend, street, "val", 10.0, ms) for ms in (None, 1e6, 0.01))
    assert free.frames == easy.frames == never.frames == 6
    assert (
        (free.late, free.no_appearance, free.no_motion)
        == (easy.late, easy.no_appearance, easy.no_motion)
        == (0, 0, 0)
    )
    assert (never.late, never.no_motion) == (1, 1) and never.no_appearance > 0
    assert (easy.TQ, easy.IDS) == (free.TQ, free.IDS)


def test_the_suite_writes_the_curve(
    mapt: Callable[..., Any], bundle: Path, street: Path, tmp_path: Path
) -> None:
    ran = mapt(
        "bench", bundle, "--suite", "deadline", "--data", street, "--json", tmp_path / "out.json"
    )
    assert ran.code == 0 and "no appearance" in ran.out, ran.err
    points = json.loads((tmp_path / "out.json").read_text())["deadline"]
    assert points[0]["deadline_ms"] is None
    assert [p["deadline_ms"] for p in points[1:]] == sorted(
        (p["deadline_ms"] for p in points[1:]), reverse=True
    )
