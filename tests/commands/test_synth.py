from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def _content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.png"))}


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(mapt: Run, tmp_path: Path) -> None:
    common = ("--sequences", 2, "--frames", 2, "--size", "96x312")
    for name, seed, workers in (("a", 3, 1), ("b", 3, 2), ("c", 4, 1)):
        ran = mapt("synth", tmp_path / name, *common, "--seed", seed, "--workers", workers)
        assert ran.code == 0 and "2 sequences of 2 frames, 96x312" in ran.out, ran.err
    first = _content(tmp_path / "a")
    assert first == _content(tmp_path / "b") != _content(tmp_path / "c")
    assert sorted(first) == sorted(
        f"{part}/{sequence}/{frame}.png"
        for part in ("training/image_02", "panoptic_maps/val")
        for sequence in ("0000", "0001")
        for frame in ("000000", "000001")
    )


@pytest.mark.parametrize(("size", "words"), [("96", "is not HEIGHTxWIDTH"), ("8x8", "too small"), ("0x40", "is not")])
def test_a_bad_size(mapt: Run, tmp_path: Path, size: str, words: str) -> None:
    ran = mapt("synth", tmp_path / "out", "--size", size)
    assert ran.code == 2 and words in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_kept(mapt: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    ran = mapt("synth", tmp_path, "--sequences", 1, "--frames", 1)
    assert ran.code == 2 and "is not empty" in ran.err
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
