from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapt.export.bundle import compare_outputs as check
from mapt.io.pretrained import shipped_weights
from mapt.runtime.bundle.requirements import runnable_here

Run = Callable[..., Any]


def test_a_bundle_that_differs_is_called_bad(
    mapt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        check, "compare", lambda *_: [check.Deviation(n, "s", 0.01) for n in _NAMES]
    )
    ran = mapt(
        "export",
        shipped_weights(),
        "--out",
        tmp_path / "bundle",
        "--size",
        "96x320",
        "--ops",
        runnable_here(),
    )
    assert ran.code == 1 and "do not deploy this bundle" in ran.err and ran.err.count("\n") == 1


_NAMES = ("backbone", "semantic", "instance", "motion", "appearance")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--precision", "int4"), "--precision int4: unknown"),
        (("--ops", "magic"), "--ops magic: unknown"),
        (("--size", "wide"), "is not HEIGHTxWIDTH"),
        (("--verify", "frames", "--json", "."), "--json .: is a folder; name a file in it"),
        (("--trt", "--timing-cache", "."), "--timing-cache .: is a folder; name a file in it"),
    ],
)
def test_what_is_not_there_is_said_before_any_work(
    mapt: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    ran = mapt("export", shipped_weights(), "--out", tmp_path / "bundle", *arguments)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "bundle").exists()
