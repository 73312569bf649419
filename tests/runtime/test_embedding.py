"""The loop in docs/embedding.md runs as printed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mapt.runtime import PanopticFrame

PERIOD = 100_000_000  # ns


def test_the_documented_loop_survives_a_bad_camera_and_goes_on_after_a_stop(bundle: Path, tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "embedding.md").read_text(), re.S)
    assert code
    names: dict[str, Any] = {}
    exec(code[1], names)
    drive: Callable[..., None] = names["drive"]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (6, 192, 624, 3), np.uint8)

    def camera(first: int, last: int) -> Iterator[tuple[np.ndarray, int]]:
        for number in range(first, last):
            yield images[number], number * PERIOD
            yield images[number], number * PERIOD  # the same again
            yield np.zeros_like(images[0]), number * PERIOD + 1  # a flash of nothing

    alone: list[PanopticFrame] = []
    drive(((images[n], n * PERIOD) for n in range(6)), alone.append, bundle, tmp_path / "alone")
    frames: list[PanopticFrame] = []
    drive(camera(0, 3), frames.append, bundle, tmp_path / "checkpoint")
    drive(camera(3, 6), frames.append, bundle, tmp_path / "checkpoint")
    assert [f.stamp_ns for f in frames] == [f.stamp_ns for f in alone] == [n * PERIOD for n in range(6)]
    if not any(f.degraded for f in (*frames, *alone)):  # a busy machine may miss the loop's deadline
        assert [f.tracks for f in frames] == [f.tracks for f in alone]
        assert (tmp_path / "checkpoint").read_bytes() == (tmp_path / "alone").read_bytes()
