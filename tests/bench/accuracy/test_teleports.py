"""Which appearance matches count as jumps."""

from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from mapt.bench.accuracy.teleports import count, distance, touch
from mapt.bench.parity.clips import open_clips
from tests.runtime.conftest import INFO, Actor, SceneBackend, picture


def test_distances_are_in_sizes_of_the_old_box() -> None:
    assert distance((0, 0, 10, 10), (30, 40, 40, 50)) == pytest.approx(5.0)
    assert distance((0, 0, 40, 10), (60, 0, 70, 10)) == pytest.approx(45 / 20)


def test_boxes_touch_at_an_edge_and_not_beyond() -> None:
    assert touch((0, 0, 10, 10), (10, 10, 20, 20)) and touch((0, 0, 10, 10), (2, 2, 3, 3))
    assert not touch((0, 0, 10, 10), (11, 0, 20, 10)) and not touch((0, 0, 10, 10), (0, 11, 10, 20))


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Six pictures whose red tells their number."""
    folder = tmp_path / "street"
    folder.mkdir()
    for number in range(6):
        cv2.imwrite(str(folder / f"{number:06d}.png"), picture(number)[:, :, ::-1])
    return folder


@pytest.mark.parametrize(("reach", "jumps"), [(9.0, 1), (1.0, 0)])
def test_a_look_that_comes_back_elsewhere_is_a_jump_unless_the_gate_refuses_it(
    frames: Path, reach: float, jumps: int
) -> None:
    left = Actor(0, 8, hidden=(3, 4, 5))
    right = Actor(64, 32, hidden=(0, 1, 2))  # the same look
    backend = SceneBackend(
        (left, right), replace(INFO, thresholds=replace(INFO.thresholds, reach=reach))
    )
    (clip,) = open_clips(frames, 10.0)
    found = count(backend, clip)
    assert (found.frames, found.matches, found.births) == (6, jumps, 2 - jumps)
    assert [(jump.frame, jump.track, jump.missed) for jump in found.jumps] == [(3, 1, 0)] * jumps


def test_a_find_nearby_is_none(frames: Path) -> None:
    (clip,) = open_clips(frames, 10.0)
    found = count(SceneBackend((Actor(8, 8, dx=2, hidden=(2, 3)),), INFO), clip)
    assert (found.matches, found.births, found.jumps) == (1, 1, ())


def test_the_command_needs_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mapt.bench.accuracy.teleports import main

    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), str(tmp_path)])
    assert ended.value.code == 2 and "is not a bundle" in capsys.readouterr().err
