"""Evaluation on an engine gives one process' results, bit by bit."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Ran


def test_processes_give_the_results_of_one(
    mapt: Callable[..., Ran], street: Path, tmp_path: Path
) -> None:
    found = []
    for number, engine in enumerate(([], ["--engine", "local", "--workers", 2])):
        file = tmp_path / f"{number}.json"
        labels = street / "panoptic_maps" / "val"
        ran = mapt("eval", street, labels, "--dataset", "kitti-step", "--json", file, *engine)
        assert ran.code == 0, ran.err
        found.append(file.read_text())
    assert found[0] == found[1] and json.loads(found[0])["dataset"]["PAT"] == 1.0


def test_a_bad_frame_is_one_line(mapt: Callable[..., Ran], street: Path, tmp_path: Path) -> None:
    import shutil

    labels = tmp_path / "pred"
    shutil.copytree(street / "panoptic_maps" / "val", labels)
    (labels / "0001" / "000003.png").write_bytes(b"no picture")
    command = ("eval", street, labels, "--dataset", "kitti-step", "--engine", "local")
    ran = mapt(*command, "--workers", 1)
    assert ran.code == 2 and "000003.png: is not a PNG" in ran.err and ran.err.count("\n") == 1
