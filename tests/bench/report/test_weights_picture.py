"""The picture of two networks: its rows, and wrong calls."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mapt.bench.report import weights_picture
from mapt.bench.report.weights_picture import CAPTION, main

HEIGHT = 256
WIDTH = 832


def test_streets_follow_each_other_and_networks_alternate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def grey(
        weights: Path, seed: int, streets: Sequence[int], frames: int
    ) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        """A frame of one grey for each street: tens for the network, ones for the street."""
        assert seed == 7 and frames == 6
        level = {"a": 50, "b": 150}[weights.name]
        return [np.full((HEIGHT, WIDTH, 3), level + 20 * street, np.uint8) for street in streets]

    monkeypatch.setattr(weights_picture, "last_frames", grey)
    out = tmp_path / "w.webp"
    main(["a", "b", "--streets", "2", "3", "--titles", "one", "two", "--out", str(out)])
    assert "w.webp: 832x1112" in capsys.readouterr().out
    picture = cv2.imread(str(out), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    rows = picture.reshape(4, CAPTION + HEIGHT, WIDTH)
    levels = rows[:, CAPTION + 40 : -40].mean((1, 2))
    assert levels == pytest.approx([90, 190, 110, 210], abs=3)
    captions = rows[:, : CAPTION - 2]
    assert all(caption.max() > 240 and caption.min() < 60 for caption in captions)
    assert not np.array_equal(captions[0], captions[1])  # two titles


def test_wrong_calls_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["a", "b", "--out", "x.png"], "name a .webp file"),
        (["a", "b", "--frames", "0"], "--frames from 1 on"),
        (["gone", "gone", "--out", str(tmp_path / "x.webp")], "gone: no such weight file"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        error = capsys.readouterr().err
        assert words in error and len(error.splitlines()) == 1
