"""The training benchmark on a tiny network.

Every contender trains, and their FLOPs are close to each other.
"""

import json
from pathlib import Path

import pytest

from mapt.bench.latency.training_step import main


def test_every_contender_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = (
        "imagenet=false",
        "model.height=64",
        "model.width=128",
        "data.synthetic.height=96",
        "data.synthetic.width=192",
        "data.synthetic.sequences=2",
        "data.synthetic.frames=4",
        "data.synthetic.heights=[64,96]",
        "schedule.batch=1",
    )
    main(
        [
            "--steps",
            "1",
            "--json",
            str(tmp_path / "out.json"),
            *(part for s in small for part in ("--set", s)),
        ]
    )
    found = json.loads((tmp_path / "out.json").read_text())
    assert set(found["ms"]) == {"compiled", "torchvision's operators", "Mask R-CNN"}
    assert (
        min(found["ms"].values()) > 0
        and found["loading_ms"] > 0
        and min(found["gflop"].values()) > 0
    )
    assert "Mask R-CNN" in capsys.readouterr().out
