"""README's animated picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.bench.report.picture import OUT, SHOWN, encode_animation, main


def test_an_animation_keeps_its_frames_in_order(tmp_path: Path) -> None:
    shades = [np.full((32, 64, 3), (value, 0, 0), np.uint8) for value in (0, 120, 240)]
    data = encode_animation(shades)
    done, read = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    reds = [int(frame[..., 2].mean()) for frame in read.frames]
    assert done and np.allclose(reds, (0, 120, 240), atol=6)
    assert set(read.durations) == {100} and read.loop_count == 0
    assert encode_animation(shades) == data


def test_the_committed_picture_is_an_animation_of_a_readable_size() -> None:
    done, read = cv2.imdecodeanimation(np.fromfile(OUT, np.uint8))
    assert done and len(read.frames) == 40 and read.frames[0].shape[:2] == SHOWN
    assert OUT.stat().st_size < 1_500_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "street.gif"], "name a .webp file"),
        (["--frames", "0"], "one frame or more"),
        (["--seed", "-1"], "whole number"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and told in error and error.count("\n") == 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / "one.webp", tmp_path / "two.webp"]
    for file in files:
        main(["--out", str(file), "--frames", "3"])
    assert files[0].read_bytes() == files[1].read_bytes()
